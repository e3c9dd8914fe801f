"""Retrying failed items: reading, deciding and enqueueing them, and their results."""
