"""Times a training step against PyTorch's: `./launch.sh speed NAME [--out=FILE]`."""
