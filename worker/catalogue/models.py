"""The types that the modules of the catalogue share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from worker.remote.models import Field
from worker.writing.characters import one_line

RETRY = "feishu-batch retry --reason cannot_resolve"
AS_TEXT = "a spreadsheet may have converted it from another value: format the column as text, and enter it again"
LONGEST_SHOWN = 60  # characters of a text from a producer or the remote system


class Code(StrEnum):
    """Why an intent is refused at intake. Every item of it fails with this code."""

    UNKNOWN_SPACE = "unknown_space"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    OBSOLETE_FIELD = "obsolete_field"
    CALCULATED_FIELD = "calculated_field"
    NOT_WRITABLE = "field_not_writable"
    MODE_NOT_ALLOWED = "mode_not_allowed"
    BAD_VALUE = "bad_value"
    UNKNOWN_OPTION = "unknown_option"
    DISABLED_OPTION = "disabled_option"
    UNKNOWN_PERSON = "unknown_person"
    AMBIGUOUS = "ambiguous"
    CANNOT_RESOLVE = "cannot_resolve"  # a name that cannot be sent, and cannot be looked up now


# Codes whose reason contains the given value, or a part of it.
QUOTING = frozenset(
    {
        Code.BAD_VALUE,
        Code.UNKNOWN_OPTION,
        Code.DISABLED_OPTION,
        Code.UNKNOWN_PERSON,
        Code.AMBIGUOUS,
        Code.CANNOT_RESOLVE,
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an intent is refused: one sentence, with the nearest valid name if there is one."""

    code: Code
    reason: str


class RefusedError(Exception):
    """Carries a `Refusal`. `is_name`: the refused part is a name, which cannot be sent."""

    def __init__(self, code: Code, reason: str, *, is_name: bool = False) -> None:
        super().__init__(reason)
        self.refusal = Refusal(code, reason)
        self.is_name = is_name


class UnavailableError(Exception):
    """The look-up is not possible now. The message is the reason, without an address or a secret. `is_lane`: the lane is paused;
    `is_unanswered`: the remote system did not answer.
    """

    def __init__(self, reason: str, *, is_lane: bool = False, is_unanswered: bool = False) -> None:
        super().__init__(reason)
        self.is_lane = is_lane
        self.is_unanswered = is_unanswered

    def way_out(self, key: str) -> str:
        """What to do about a name that could not be looked up; `key`: what to write instead."""
        if self.is_lane:
            return f"fix the lane (`feishu-batch status` says how), then run: {RETRY}"
        return f"give {key}, or when look-ups work again, run: {RETRY}"


@dataclass(frozen=True)
class Catalogue:
    """The fields of one item type of one space."""

    fields: tuple[Field, ...]

    @cached_property
    def by_key(self) -> Mapping[str, Field]:
        return {field.key: field for field in self.fields}

    @cached_property
    def by_name(self) -> Mapping[str, Sequence[Field]]:
        """By name and by alias, exactly as written."""
        return self._named(str.strip)

    @cached_property
    def by_folded_name(self) -> Mapping[str, Sequence[Field]]:
        return self._named(folded)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All names of the fields."""
        named = (word for field in self.fields for word in (field.name, field.alias, field.key) if word)
        return tuple(dict.fromkeys(named))

    def _named(self, form: Callable[[str], str]) -> Mapping[str, Sequence[Field]]:
        found: dict[str, dict[str, Field]] = {}
        for field in self.fields:
            for word in (field.name, field.alias):
                if word.strip():
                    found.setdefault(form(word), {})[field.key] = field
        return {word: tuple(fields.values()) for word, fields in found.items()}


def folded(word: str) -> str:
    """The form in which names are compared: case-folded, with single spaces, without invisible characters."""
    return one_line(word).casefold()


def shown(value: object) -> str:
    """In quotes, on one line, and limited in length."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    text = text.encode("utf-8", "backslashreplace").decode()
    return f"'{text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + '…'}'"
