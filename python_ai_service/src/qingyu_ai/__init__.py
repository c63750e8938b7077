"""The Python AI service behind the Qingyu AI Gateway."""
