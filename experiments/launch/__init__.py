"""What launch.sh does with an experiment besides running it once in one process."""
