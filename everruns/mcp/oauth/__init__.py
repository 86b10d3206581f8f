"""Authorization at servers that want OAuth 2.1, in steps that can happen in different processes."""
