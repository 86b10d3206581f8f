"""A cluster of several nodes on this machine, for tests, measurements and a first look."""
