"""The archive: the logs of all sessions as Parquet, a copy that can be rebuilt from the store."""
