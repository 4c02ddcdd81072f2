"""The batch benchmark."""
