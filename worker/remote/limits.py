"""Limits of the remote system that others than its client have to know. No import of ours: anybody may name them."""

from typing import Final

MAX_ITEMS_PER_BATCH: Final = 50  # official page
MAX_ITEMS_PER_QUERY: Final = 50  # several restatements
