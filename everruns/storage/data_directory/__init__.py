"""The files of the data directory around the database."""
