"""Times training steps against PyTorch's: `./launch.sh speed NAME`."""
