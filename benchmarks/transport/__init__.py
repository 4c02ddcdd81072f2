"""The transport benchmark."""
