"""The registry: agents, providers, sessions and their logs, and where sessions are placed.

Plain classes over one ``Store``. On a cluster one actor holds them; in one process they are used
as they are.
"""
