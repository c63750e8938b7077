"""What is told about calls: log lines, and where asked for metrics and traces."""
