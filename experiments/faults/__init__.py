"""Real runs, hurt at random moments: `./launch.sh faults` says what they lose by it."""
