"""Runs of scheduled entries: which one is due, carrying it out once, and noticing its end."""
