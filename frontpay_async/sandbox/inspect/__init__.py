"""Looking into a sandbox: its control routes, its feed and its page."""
