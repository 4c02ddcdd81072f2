"""Rate control: the ledger of the server's window, and the queue in front of it."""
