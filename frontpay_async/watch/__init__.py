"""Waiting for payments, refunds and orders: one hub for each client."""
