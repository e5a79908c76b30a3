"""Injects faults into real runs, and shows what is lost: `./launch.sh faults`."""
