"""The values that calls accept and return: frozen attrs classes with Python names and types. Pure."""
