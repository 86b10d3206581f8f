"""The face under ``/api/v1``, for the Everruns SDK."""
