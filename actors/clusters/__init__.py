"""Ray clusters: one of our own, or one that is joined."""
