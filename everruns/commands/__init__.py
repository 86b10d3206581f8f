"""The commands of ``everruns``, a file for each group.

``cli`` registers them. Those that talk to a running server do it through ``server``.
"""
