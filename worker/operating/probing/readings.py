"""What one reading found, and how sure it is. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

NOT_SETTLED: Final = "not_settled"
FEWEST: Final = 2  # observations that agree, before a finding is likely


class Sureness(StrEnum):
    SEEN = "seen"  # one observation proves it
    LIKELY = "likely"  # all observations agree
    PERHAPS = "perhaps"  # most agree, or there was one only
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Reading:
    """`finding`: a word of the reading's table. `agree` of `tries` observations support it. `details`: figures, for programs."""

    name: str
    finding: str
    words: str
    sureness: Sureness
    agree: int
    tries: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def in_words(self) -> str:
        return f"{self.words}: {self.sureness} ({self.agree} of {self.tries})" if self.tries else self.words

    def as_json(self) -> dict[str, Any]:
        return {
            "finding": self.finding,
            "words": self.words,
            "sureness": self.sureness.value,
            "agree": self.agree,
            "tries": self.tries,
            "details": dict(self.details),
        }


def by_majority(name: str, table: Mapping[str, str], votes: Sequence[str], **details: Any) -> Reading:
    """`table`: finding → its words. `votes`: the finding of each observation."""
    if not votes:
        return not_settled(name, "nothing was observed")
    finding, agree = Counter(votes).most_common(1)[0]
    if agree == len(votes):
        sureness = Sureness.LIKELY if agree >= FEWEST else Sureness.PERHAPS
    else:
        sureness = Sureness.PERHAPS if agree * 2 > len(votes) else Sureness.UNCLEAR
    return Reading(name, finding, table[finding], sureness, agree, len(votes), details)


def proven(name: str, table: Mapping[str, str], finding: str, agree: int, tries: int, **details: Any) -> Reading:
    """What a single observation proves."""
    return Reading(name, finding, table[finding], Sureness.SEEN, agree, tries, details)


def not_settled(name: str, why: str) -> Reading:
    return Reading(name, NOT_SETTLED, f"not settled: {why}", Sureness.UNCLEAR, 0, 0)
