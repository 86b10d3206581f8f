"""The routes of each resource, on every face."""
