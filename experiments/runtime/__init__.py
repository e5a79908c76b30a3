"""What every run needs, whatever it trains: options, run folders, devices, processes, signals."""
