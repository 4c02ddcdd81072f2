"""Waiting for a payment, a refund or an order to end: one hub for each client."""
