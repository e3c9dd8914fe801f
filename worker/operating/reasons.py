"""Groups failures by reason. Bounded in size, and a frequent reason never hides a rare one. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")
NAMED: Final = 10  # examples of each reason
VARIANTS: Final = 10  # default number of separate groups for reasons that differ only in their values; further ones are counted together
MOST_KINDS: Final = 1000
EXAMPLES: Final = 2  # values of an example in a reason
OTHER: Final = "other reasons"
_OF_ONE_REQUEST: Final = re.compile(r", log id [^,)]*| \(log id [^)]*\)")  # differs each time
_VALUES: Final = re.compile(r"“[^”]*”|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|\(got .*\)$|\w*\d[\w-]*", re.DOTALL)


@dataclass(slots=True)
class ReasonGroup(Generic[T]):
    """`items`: the first few failures with this reason."""

    code: str | None
    reason: str | None
    count: int = 0
    items: list[T] = field(default_factory=list)


@dataclass(slots=True)
class _Merged:
    """Reasons in one group that differ in their values. `shared`: the values of `first`, None for those that differ among them."""

    first: str
    shared: list[str | None]

    def add(self, shared: Sequence[str | None]) -> bool:
        """Returns whether a further value differs."""
        before = self.shared
        self.shared = [one if one == other else None for one, other in zip(before, shared, strict=True)]
        return self.shared != before

    def reason(self) -> str:
        """With the shared values, and for the others an example."""
        shared = iter(self.shared)
        text = _VALUES.sub(lambda _: next(shared) or "…", self.first)
        differing = [one for one, same in zip(_VALUES.findall(self.first), self.shared, strict=True) if same is None]
        return f"{text} (such as {', '.join(differing[:EXAMPLES])})" if differing else text


class ReasonGroups(Generic[T]):
    """Reasons are distinguished exactly, except for the parts that differ per request. If many differ only in their values, the
    first ones have their own groups, and the others share one, whose reason keeps the values that all of them have.
    """

    def __init__(self, variants: int = VARIANTS) -> None:
        self._most = variants
        self._groups: dict[tuple[str | None, str | None], ReasonGroup[T]] = {}
        self._variants: dict[tuple[str | None, str | None], int] = {}  # by kind
        self._merged: dict[tuple[str | None, str | None], _Merged] = {}  # by kind

    def add(self, code: str | None, reason: str | None, item: T) -> None:
        group = self._group(code, reason)
        group.count += 1
        if len(group.items) < NAMED:
            group.items.append(item)

    def join(self, others: "ReasonGroups[T]") -> None:
        for key, other in others._groups.items():  # noqa: SLF001 - of the same class
            merged = others._merged.get(key)  # noqa: SLF001 - as above
            group = self._merge(key, merged.first, merged.shared) if merged else self._group(other.code, other.reason)
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
            return self._merge(kind, same or "", _VALUES.findall(same or ""))
        self._variants[kind] = self._variants.get(kind, 0) + 1
        return self._groups.setdefault((code, same), ReasonGroup(code, reason))

    def _merge(self, kind: tuple[str | None, str | None], reason: str, shared: Sequence[str | None]) -> ReasonGroup[T]:
        group = self._groups.setdefault(kind, ReasonGroup(*kind))
        merged = self._merged.get(kind)
        if merged is None:
            merged = self._merged[kind] = _Merged(reason, list(shared))
            group.reason = merged.reason()
        elif merged.add(shared):
            group.reason = merged.reason()
        return group


def without_values(reason: str | None) -> str | None:
    return _VALUES.sub("…", reason) if reason else reason
