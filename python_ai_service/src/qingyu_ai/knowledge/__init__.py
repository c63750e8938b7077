"""What a project knows: indexing, search and the context of a writing task."""
