"""Compares the server with its peers: ``make bench-peers``."""
