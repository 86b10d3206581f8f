"""Capabilities: what an agent can do. One file each, listed in ``registry``."""
