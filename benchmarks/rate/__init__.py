"""The rate benchmark."""
