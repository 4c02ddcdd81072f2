"""The watch benchmark."""
