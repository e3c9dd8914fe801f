"""Reads of the ledger. Nothing here writes."""
