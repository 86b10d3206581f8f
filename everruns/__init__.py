"""Everruns on Ray: a durable runtime for AI agents."""
