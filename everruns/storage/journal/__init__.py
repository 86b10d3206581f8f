"""The journal before the database."""
