"""What a process needs, whatever it trains: options, folders, devices, processes, interruptions."""
