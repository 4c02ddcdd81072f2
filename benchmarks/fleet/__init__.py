"""A fleet of merchants: one journal, one queue, several workers that are killed."""
