"""The thin adapters around the protocol: retry, rate, credential, and the wire."""
