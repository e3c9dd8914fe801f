"""Retrying what failed: what is read, decided and enqueued for it, and what became of it."""
