"""Whole applications on Everruns."""
