"""The face under ``/v1``."""
