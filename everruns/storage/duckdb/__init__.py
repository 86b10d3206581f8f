"""DuckDB: opening, migrating and repairing its file."""
