"""Runs of scheduled entries: when one is due, executing it once, and noticing its end."""
