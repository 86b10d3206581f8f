"""Measures what a server costs and where it ends: ``make bench-limits``."""
