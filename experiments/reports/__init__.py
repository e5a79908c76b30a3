"""What a finished run says: result.json, its table, report.html."""
