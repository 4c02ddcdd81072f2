"""The values that go in and come out: frozen attrs classes in Python's names and types. Pure."""
