"""Calls between processes."""
