"""Inspection of a sandbox: its control routes, its feed and its page."""
