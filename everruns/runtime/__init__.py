"""The running product: sessions, their turns and logs, and where they are placed."""
