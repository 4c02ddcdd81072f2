"""The operations as methods: signature, docstring, one call."""
