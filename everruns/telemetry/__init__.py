"""What is known of the runtime while it runs, and of turns after they ended: readers of the log."""
