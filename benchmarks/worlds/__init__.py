"""The worlds benchmark."""
