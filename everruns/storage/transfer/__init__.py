"""Taking what a data directory holds along to PostgreSQL."""
