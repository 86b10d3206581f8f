"""Drivers: the code that speaks a provider's wire."""
