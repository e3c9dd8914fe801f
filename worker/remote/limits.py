"""Limits of the remote system that modules other than its client need. It imports nothing of ours, so every module may import it."""

from typing import Final

MAX_ITEMS_PER_BATCH: Final = 50  # official page
MAX_FIELDS_PER_UPDATE: Final = (
    20  # ours: no limit is stated, and a smaller request is refused as a whole for fewer faults
)
MAX_ITEMS_PER_QUERY: Final = 50  # several restatements
MAX_ITEMS_PER_VIEW_PAGE: Final = 200  # official page
MAX_ITEMS_OF_VIEW: Final = 200_000  # official page: of all pages together
