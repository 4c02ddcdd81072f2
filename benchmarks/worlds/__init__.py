"""Batches in accounts that are not what they seem."""
