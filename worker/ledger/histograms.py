"""The histograms that the ledger counts: their field and their upper bounds, for the scripts that count and for what reads."""

from typing import Final

_MINUTE, _HOUR = 60_000, 3_600_000  # ms

BOUNDS: Final[dict[str, tuple[int, ...]]] = {
    "applied": (  # ms
        *(500, 1_000, 2_000, 5_000, 10_000, 30_000),
        *(_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
        *(_HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR),
    ),
    "lag": (100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000),  # ms
    "fill": (1, 2, 5, 10, 20, 30, 40, 49, 50),  # items of a batch
    "polls": (1, 2, 3, 5, 10, 20, 50),
}
