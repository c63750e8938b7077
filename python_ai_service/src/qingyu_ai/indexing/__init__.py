"""The commands that fill, list and clear the knowledge base."""
