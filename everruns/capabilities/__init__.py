"""Capabilities: what an agent can be given. One file each, listed in ``registry``."""
