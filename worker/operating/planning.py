"""The number of requests for a file of intents: record.lua's rules on plain dicts, as if nothing were sent in between."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from feishu_batch.intents import UpdateIntent, UpdateMode, group_spec
from worker.ledger.lua_constants import MOST_SHARERS
from worker.ledger.reads.backlog import Tail
from worker.ledger.routes import BATCH
from worker.operating.route_gain import MOST_RATE, RoutePlan

Cell = tuple[str, int]  # column ("<project_key> <field_key>") and item
Group = str  # its spec as canonical JSON


class Backlog(Protocol):
    """The waiting changes of one lane."""

    def tails(self, column: str, items: Sequence[int]) -> Mapping[int, Tail]: ...

    def ready(self, specs: Sequence[Group]) -> Mapping[Group, int]: ...


class NoBacklog:
    def tails(self, column: str, items: Sequence[int]) -> Mapping[int, Tail]:  # noqa: ARG002 - the protocol's signature
        return {}

    def ready(self, specs: Sequence[Group]) -> Mapping[Group, int]:  # noqa: ARG002 - as above
        return {}


@dataclass(slots=True)
class _Change:
    """A waiting write, for all intents that request the same."""

    group: Group
    is_update: bool
    keeps: bool
    requested: int = 1  # by our intents; 0 for a change of the backlog that only other intents request
    sharers: int = 0  # further intents that request it, ours and others
    is_first: bool = True  # no change of the backlog is before this line
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """`first`: changes that may be sent at once; `behind`: changes that wait for an earlier change of their cell;
    `room`: free places in a request that the backlog needs anyway.
    """

    spec: Group
    first: int
    behind: int
    room: int

    @property
    def changes(self) -> int:
        return self.first + self.behind

    @property
    def fewest(self) -> int:
        return -(-max(0, self.changes - self.room) // BATCH.items)

    @property
    def most(self) -> int:
        """`first` fills all requests except one; each change in `behind` may need its own request."""
        return -(-max(0, self.first - self.room) // BATCH.items) + self.behind


@dataclass(frozen=True, slots=True)
class LanePlan:
    """`changes` = `sent` + `superseded` + `shared` + `expired`. `superseded_before`: changes of the backlog that ours replace;
    `shared_before`: changes of ours that are merged with one of the backlog (also counted in `shared`).
    """

    lane: str
    intents: int
    changes: int
    superseded: int
    shared: int
    expired: int
    superseded_before: int
    shared_before: int
    longest_line: int  # changes of one cell that are sent one after the other
    groups: tuple[GroupPlan, ...]
    with_singles: RoutePlan | None = None  # None: not known

    @property
    def sent(self) -> int:
        return sum(group.changes for group in self.groups)

    @property
    def fewest(self) -> int:
        return sum(group.fewest for group in self.groups)

    @property
    def most(self) -> int:
        return sum(group.most for group in self.groups)

    @property
    def full(self) -> int:
        """Requests that can be full."""
        return sum(max(0, group.changes - group.room) // BATCH.items for group in self.groups)

    @property
    def fill(self) -> float:
        """Share of used places in the fewest requests; 0 without requests."""
        own = sum(max(0, group.changes - group.room) for group in self.groups)
        return own / (self.fewest * BATCH.items) if self.fewest else 0.0


@dataclass(slots=True)
class LanePlanner:
    """Plans the intents of one lane in order. `now`: unix seconds; an intent that has already expired affects no other."""

    lane: str
    now: float
    backlog: Backlog = field(default_factory=NoBacklog)
    may_be_single: Callable[[UpdateIntent], bool] | None = None  # whether single updates may write it
    _singles: set[Group] = field(default_factory=set)
    _lines: dict[Cell, list[_Change]] = field(default_factory=dict)
    _asked: set[Cell] = field(default_factory=set)
    _held: set[Cell] = field(default_factory=set)  # cells where a change of the backlog stays before ours
    _intents: int = 0
    _changes: int = 0
    _expired: int = 0
    _superseded: int = 0
    _superseded_before: int = 0

    def add(self, intents: Sequence[UpdateIntent]) -> None:
        self._ask({cell for intent in intents for cell in _cells(intent)} - self._asked)
        for intent in intents:
            self._intents += 1
            self._changes += len(intent.work_item_ids)
            if intent.expires_at is not None and intent.expires_at.timestamp() <= self.now:
                self._expired += len(intent.work_item_ids)
                continue
            spec = group_spec(intent)
            if self.may_be_single and spec not in self._singles and self.may_be_single(intent):
                self._singles.add(spec)
            for cell in _cells(intent):
                self._meet(cell, self._change(intent, spec))

    def plan(self) -> LanePlan:
        changes = [change for line in self._lines.values() for change in line]
        ours = [change for change in changes if change.is_ours]
        shared_before = sum(change.requested for change in changes if not change.is_ours)
        longest = max((sum(c.is_ours for c in line) for line in self._lines.values()), default=0)
        return LanePlan(
            lane=self.lane,
            intents=self._intents,
            changes=self._changes,
            superseded=self._superseded,
            shared=sum(change.requested - 1 for change in ours) + shared_before,
            expired=self._expired,
            superseded_before=self._superseded_before,
            shared_before=shared_before,
            longest_line=longest,
            groups=(groups := self._groups()),
            with_singles=self._with_singles(groups) if self.may_be_single else None,
        )

    def _with_singles(self, groups: Sequence[GroupPlan]) -> RoutePlan:
        """An item's changes that wait for nothing share a single update; those behind others need one each."""
        small = {one.spec for one in groups if one.spec in self._singles and one.changes <= MOST_RATE}
        items, behind = set[int](), 0
        for (_, item), line in self._lines.items():
            own = sum(change.is_ours and change.group in small for change in line)
            if own:
                items.add(item)
                behind += own - 1
        return RoutePlan(sum(one.fewest for one in groups if one.spec not in small), len(items) + behind)

    def _groups(self) -> tuple[GroupPlan, ...]:
        counts: dict[Group, list[int]] = {}
        for line in self._lines.values():
            for place, change in enumerate(line):
                if change.is_ours:
                    counts.setdefault(change.group, [0, 0])[place > 0 or not change.is_first] += 1
        waiting = self.backlog.ready(list(counts))
        return tuple(
            GroupPlan(spec, first, behind, room=-waiting.get(spec, 0) % BATCH.items)
            for spec, (first, behind) in counts.items()
        )

    def _ask(self, cells: set[Cell]) -> None:
        self._asked |= cells
        items: dict[str, list[int]] = {}
        for column, item in sorted(cells):
            items.setdefault(column, []).append(item)
        for column, ids in items.items():
            for item, tail in self.backlog.tails(column, ids).items():
                self._note((column, item), tail)

    def _note(self, cell: Cell, tail: Tail) -> None:
        if tail.group is None:
            return self._held.add(cell)
        change = _Change(tail.group, tail.gives_way, tail.keeps, requested=0, sharers=tail.sharers)
        change.is_first, change.is_ours = tail.is_owner, False
        self._lines[cell] = [change]
        return None

    def _change(self, intent: UpdateIntent, spec: Group) -> _Change:
        return _Change(
            spec, intent.update_mode is UpdateMode.UPDATE and not intent.is_conditional, intent.keep_every_change
        )

    def _meet(self, cell: Cell, new: _Change) -> None:
        """Same as `meet` in record.lua."""
        line = self._lines.setdefault(cell, [])
        newest = line[-1] if line else None
        if newest and not new.keeps and not newest.keeps:
            if newest.group == new.group:
                return self._share(newest) if newest.sharers < MOST_SHARERS else self._wait(cell, line, new)
            if new.is_update and newest.is_update:
                return self._supersede(line, newest, new)
        return self._wait(cell, line, new)

    def _wait(self, cell: Cell, line: list[_Change], new: _Change) -> None:
        new.is_first = line[0].is_first if line else cell not in self._held
        line.append(new)

    def _share(self, older: _Change) -> None:
        older.requested += 1
        older.sharers += 1

    def _supersede(self, line: list[_Change], older: _Change, new: _Change) -> None:
        self._superseded += older.requested
        self._superseded_before += not older.is_ours
        new.is_first = older.is_first
        line[-1] = new


class Planner:
    """Plans the intents of all lanes. `route`: the lane of an intent; `backlog_of`: the waiting changes of a lane."""

    def __init__(
        self,
        route: Callable[[str | None, str], str],
        now: float,
        backlog_of: Callable[[str], Backlog] | None = None,
        may_be_single: Callable[[UpdateIntent], bool] | None = None,
    ) -> None:
        """`may_be_single`: whether single updates may write it; None: not known."""
        self._may_be_single = may_be_single
        self._route = route
        self._now = now
        self._backlog_of = backlog_of or (lambda _lane: NoBacklog())
        self._lanes: dict[str, LanePlanner] = {}

    def add(self, intents: Iterable[UpdateIntent]) -> list[tuple[UpdateIntent, str]]:
        """Returns the intents that no lane accepts, each with the reason."""
        refused: list[tuple[UpdateIntent, str]] = []
        taken: dict[str, list[UpdateIntent]] = {}
        for intent in intents:
            try:
                taken.setdefault(self._route(intent.lane, intent.project_key), []).append(intent)
            except ValueError as error:
                refused.append((intent, str(error)))
        for lane, own in taken.items():
            if lane not in self._lanes:
                self._lanes[lane] = LanePlanner(lane, self._now, self._backlog_of(lane), self._may_be_single)
            self._lanes[lane].add(own)
        return refused

    def plans(self) -> list[LanePlan]:
        return [planner.plan() for planner in self._lanes.values()]


def _cells(intent: UpdateIntent) -> list[Cell]:
    column = column_name(intent.project_key, intent.field_key)
    return [(column, item) for item in intent.work_item_ids]


def column_name(project_key: str, field_key: str) -> str:
    """The column name, as intake forms it."""
    return f"{project_key} {field_key}"
