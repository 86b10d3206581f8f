"""Where things are kept: one ``Store``, in memory or in a database."""
