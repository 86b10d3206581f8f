"""Measures what a server of the Model Context Protocol costs: ``python -m bench.mcp``."""
