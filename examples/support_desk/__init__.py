"""A support desk on Everruns: the example of a whole application."""
