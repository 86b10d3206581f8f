"""The product on a Ray cluster: thin actors around the plain classes of ``everruns``."""
