"""What the model of a lane consists of."""

from dataclasses import dataclass, field


@dataclass
class Intent:
    number: int
    digest: str  # of its group
    mode: str
    column: str
    items: tuple[int, ...]
    priority: int = 5
    keep: bool = False
    expires: int | None = None
    canceled: bool = False  # before it was recorded
    change_set: int = 0  # its number
    skips: bool = False  # its cells are looked at first
    single: str = ""  # whether single updates may write it
    place: str = "x x x"
    # what became of it
    group: int = 0
    recorded: int = 0
    in_flight: int = 0
    requests: int = 0
    outcomes: dict[int, str] = field(default_factory=dict)
    stop: str = ""
    looked_at: int = 0  # items, when it was stopped
    may_expire: bool = False

    @property
    def has_ended(self):
        return len(self.outcomes) == len(self.items)


@dataclass
class Change:
    """One write to one cell, for the intent `number` and for those who wanted just the same."""

    number: int
    sharers: list[int] = field(default_factory=list)
    under: list["Change"] = field(default_factory=list)  # those that gave way to it, oldest first

    @property
    def everyone(self):
        return [self.number, *self.sharers]


@dataclass
class Cell:
    line: list[Change]  # the first one owns the cell
    batch: int | None = None  # it holds the first one
    awaits_look: bool = False
    is_looked_at: bool = False
    urgent: list[tuple[int, int]] = field(
        default_factory=list
    )  # (number, priority): whoever stands before is as urgent


@dataclass
class Batch:
    number: int
    group: int
    changes: list[tuple[int, int, int]]  # column, item, number
    fence: int = 0
    state: str = "sending"
    kind: str = "new"
    tries: int = 1
    size: int = 0
    is_due: bool = True
    blocks: bool = False
    # of a single update
    is_single: bool = False
    place: str = ""
    may_come_late: bool = False  # its request may still be executed
    closed_when_lost: bool = True  # whether it is read back only much later, if its process ends

    @property
    def item(self):
        return self.changes[0][1]

    def item_in(self, item):
        return any(own == item for _, own, _ in self.changes)

    @property
    def cells(self):
        return [(column, item) for column, item, _ in self.changes]
