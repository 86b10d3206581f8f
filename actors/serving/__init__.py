"""The application on Ray Serve, and the server in the foreground."""
