"""Fault injection into real runs: `./launch.sh faults` shows what they lose."""
