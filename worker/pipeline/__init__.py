"""The steps of an intent: record, send in batches, track to completion, publish; and the hints and the sweep that start them."""
