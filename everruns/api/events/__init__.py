"""A session's events over HTTP: what a reader asks for, how it is listed and streamed."""
