"""Texts to vectors, and a cache before them."""
