"""The way of an intent: taken in, sent in batches, followed to its end, made known; and the hints and the sweep that keep it going."""
