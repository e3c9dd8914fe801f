"""Things that went wrong for the same reason, together. Bounded, and no frequent reason hides a rare one. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")
NAMED: Final = 10  # examples that are kept of each reason
VARIANTS: Final = (
    10  # reasons that differ in their values only and are kept apart, as a rule; further ones are counted together
)
MOST_KINDS: Final = 1000
OTHER: Final = "other reasons"
_OF_ONE_REQUEST: Final = re.compile(r", log id [^,)]*| \(log id [^)]*\)")  # another one each time
_VALUES: Final = re.compile(r"“[^”]*”|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|\(got .*\)$|\w*\d[\w-]*", re.DOTALL)


@dataclass(slots=True)
class ReasonGroup(Generic[T]):
    """`items`: the first few of what went wrong for this reason."""

    code: str | None
    reason: str | None
    count: int = 0
    items: list[T] = field(default_factory=list)


class ReasonGroups(Generic[T]):
    """Reasons are told apart to the letter, but for what a single request adds to them. Where many differ in their values only, the
    first ones are kept as they are, and the rest as one whose reason shows ``…`` in place of the values.
    """

    def __init__(self, variants: int = VARIANTS) -> None:
        self._most = variants
        self._groups: dict[tuple[str | None, str | None], ReasonGroup[T]] = {}
        self._variants: dict[tuple[str | None, str | None], int] = {}  # by kind

    def add(self, code: str | None, reason: str | None, item: T) -> None:
        group = self._group(code, reason)
        group.count += 1
        if len(group.items) < NAMED:
            group.items.append(item)

    def join(self, others: "ReasonGroups[T]") -> None:
        for other in others.groups():
            group = self._group(other.code, other.reason)
            group.count += other.count
            group.items += other.items[: NAMED - len(group.items)]

    def groups(self) -> list[ReasonGroup[T]]:
        """The most frequent reason first."""
        return sorted(self._groups.values(), key=lambda group: -group.count)

    def count(self) -> int:
        return sum(group.count for group in self._groups.values())

    def _group(self, code: str | None, reason: str | None) -> ReasonGroup[T]:
        same = _OF_ONE_REQUEST.sub("", reason) if reason else reason
        found = self._groups.get((code, same))
        if found:
            if found.reason != reason:
                found.reason = same
            return found
        kind = (code, without_values(same))
        if kind not in self._variants and len(self._variants) >= MOST_KINDS:
            return self._groups.setdefault((None, OTHER), ReasonGroup(None, OTHER))
        if self._variants.get(kind, 0) >= self._most:
            return self._groups.setdefault(kind, ReasonGroup(*kind))
        self._variants[kind] = self._variants.get(kind, 0) + 1
        return self._groups.setdefault((code, same), ReasonGroup(code, reason))


def without_values(reason: str | None) -> str | None:
    return _VALUES.sub("…", reason) if reason else reason
