"""Outline, characters, plot, their review, and the workflow that joins them."""
