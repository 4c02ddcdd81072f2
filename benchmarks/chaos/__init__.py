"""The chaos benchmark."""
