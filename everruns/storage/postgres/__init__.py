"""PostgreSQL as the database of a store, which several processes may use at once."""
