"""What a finished run leaves: result.json, its table in the terminal, and report.html."""
