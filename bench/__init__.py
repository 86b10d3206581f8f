"""Measures a running server with the simulated model: ``make bench``."""
