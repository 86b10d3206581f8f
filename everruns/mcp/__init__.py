"""Servers of the Model Context Protocol: reaching them, and what they offer as tools."""
