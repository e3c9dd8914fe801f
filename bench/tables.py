"""Tables whose cells mostly hold their value already: requests, reads and seconds, with looks and without, side by side.

The ledger's own scripts on a real server, from `enqueue_table` on; the remote side and the clock are simulated: in a slot of one second,
one request leaves and 15 reads are made, as one lane may. A read shows the cells as they were before the table. Beside it the bound: one
request a second for the cells that differ, and 750 looked-at items a second. Then what recording costs, and what a waiting change takes
in memory.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from bench.common import Report, arguments, median
from bench.server import Server
from bench.world import FIELD, FIRST_ITEM, PROJECT, drain, runtime_for, settings_for, zipf
from feishu_batch import FeishuBatch
from worker.ledger.lane import Lane
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Look
from worker.runtime import Runtime

READS_PER_SLOT: Final = 15
ITEMS_PER_READ: Final = 50
MOST_CLAIMS: Final = 3
PLACE: Final[dict[str, Any]] = {"project_key": PROJECT, "work_item_type_key": "story"}

Table = dict[int, dict[str, str]]


@dataclass
class Work:
    """What a table took. `slots`: seconds at one request a second."""

    requests: int = 0
    reads: int = 0
    slots: int = 0
    looked_at: set[int] = field(default_factory=set)


def distinct(items: int, fields: int) -> Table:
    """Each cell another value."""
    return {
        item: {f"field_{column:06x}": f"value {item} {column}" for column in range(fields)}
        for item in range(FIRST_ITEM, FIRST_ITEM + items)
    }


def of_values(items: int, values: int) -> Table:
    """One field; its values Zipf-distributed."""
    chosen = zipf(values, random.Random(1))
    return {item: {FIELD: f"value {next(chosen)}"} for item in range(FIRST_ITEM, FIRST_ITEM + items)}


def held_before(table: Table, share: float) -> dict[tuple[int, str], str]:
    """What the cells hold: this share of them the wanted value."""
    rng = random.Random(2)
    cells = [(item, name) for item, row in table.items() for name in row]
    same = set(rng.sample(cells, round(share * len(cells))))
    return {cell: table[cell[0]][cell[1]] if cell in same else "something else" for cell in cells}


class Ledger:
    def __init__(self) -> None:
        self._server = Server("everysec")

    def __enter__(self) -> Self:
        server = self._server.__enter__()
        self.redis = server.redis
        self.runtime: Runtime = runtime_for(settings_for(server.url))
        self.lane: Lane = next(iter(self.runtime.lanes.values())).lane
        self.client = FeishuBatch(server.url, timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.__exit__(None, None, None)

    def record(self, table: Table, *, looks: bool) -> float:
        """Returns the processor seconds, of the intake and of the server, that recording took after the table was enqueued."""
        self.client.enqueue_table(table, **PLACE, skip_unchanged=looks)
        began = self._spent()
        drain(self.runtime)
        return self._spent() - began

    def _spent(self) -> float:
        server = int(Path(f"/proc/{self._server.pid}/schedstat").read_text().split()[0]) / 1e9
        return server + time.process_time()

    def carry_out(self, held: Mapping[tuple[int, str], str]) -> Work:
        """Slot by slot, until nothing is left."""
        done = Work()
        while self.lane.next_look_in() is not None or self.lane.counts().ready_groups:
            done.slots += 1
            for _ in range(READS_PER_SLOT):
                if not self._look(held, done):
                    break
            if batch := self._claim():
                done.requests += 1
                settled = batch.by_cell(dict.fromkeys(batch.items, SUCCEEDED))
                self.lane.advance(
                    batch, state=BatchState.SENDING, settled=settled, then=BatchState.OPEN, left=True, reads_behind=10
                )
        return done

    def _look(self, held: Mapping[tuple[int, str], str], done: Work) -> bool:
        """False: nothing waits for a look."""
        look = self.lane.claim_look(hold=60, most_items=ITEMS_PER_READ, most_claims=MOST_CLAIMS)
        if not isinstance(look, Look):
            return look.more
        specs = look.specs
        same = [
            part.cell
            for part in look.parts
            if held[part.cell.item, specs[part.intent].field_key] == specs[part.intent].after_field_value
        ]
        self.lane.end_look(look, same)
        done.reads += 1
        done.looked_at |= set(look.items)
        return True

    def _claim(self) -> Batch | None:
        claimed = self.lane.claim(
            owner="bench", lease=60, max_open=10**6, max_wait=120, idem_uuid="u", token_fingerprint="t"
        )
        return claimed if isinstance(claimed, Batch) else None


def work_of(table: Table, held: Mapping[tuple[int, str], str], *, looks: bool) -> Work:
    with Ledger() as ledger:
        ledger.record(table, looks=looks)
        return ledger.carry_out(held)


def compare(report: Report, name: str, table: Table, unchanged: float) -> None:
    held = held_before(table, unchanged)
    cells, without, with_looks = len(held), work_of(table, held, looks=False), work_of(table, held, looks=True)
    report.add(f"{name}: cells", cells)
    report.add(f"{name}: without looks, requests", without.requests)
    report.add(f"{name}: with looks, requests", with_looks.requests, "", f"≤ {without.requests}")
    report.add(f"{name}: with looks, reads", with_looks.reads)
    items = len(table)
    report.add(f"{name}: items of a read", items / max(1, with_looks.reads), "", "≥ 50")
    report.add(f"{name}: without looks", without.slots, "s at 1 request/s")
    bound = max(least(table, held), items / (READS_PER_SLOT * ITEMS_PER_READ))
    report.add(f"{name}: with looks", with_looks.slots, "s at 1 request/s")
    report.add(f"{name}: with looks, to the bound", with_looks.slots / bound, "", "≤ 1.15" if bound >= 20 else "")


def least(table: Table, held: Mapping[tuple[int, str], str]) -> float:
    """Requests for the cells that differ, if they all waited."""
    groups: dict[tuple[str, str], int] = {}
    for (item, name), value in held.items():
        if value != table[item][name]:
            group = (name, table[item][name])
            groups[group] = groups.get(group, 0) + 1
    return float(sum(-(-count // ITEMS_PER_READ) for count in groups.values()))


def recording(report: Report, cells: int, rounds: int) -> None:
    """In turn, each on a new server. Processor time: it does not grow when other programs want the processor."""
    tables: dict[str, Callable[[], Table]] = {
        "distinct values": lambda: distinct(cells, 1),
        "one value": lambda: of_values(cells, 1),
    }
    for name, table in tables.items():
        taken: dict[bool, list[float]] = {False: [], True: []}
        memory: dict[bool, list[float]] = {False: [], True: []}
        with Ledger() as ledger:  # imports, first connections
            ledger.record(distinct(100, 1), looks=True)
        for looks in [False, True] * rounds:
            with Ledger() as ledger:
                before = used(ledger)
                taken[looks].append(1000 * ledger.record(table(), looks=looks) / (cells / 1000))
                memory[looks].append((used(ledger) - before) / cells)
        report.add(f"record 1,000 cells, {name}: without looks", median(taken[False]), "ms")
        report.add(f"record 1,000 cells, {name}: with looks", median(taken[True]), "ms")
        report.add(f"record 1,000 cells, {name}: with looks, to without", median(taken[True]) / median(taken[False]))
        report.add(f"memory of a waiting change, {name}: without looks", median(memory[False]), "bytes")
        most = f"≤ {1.1 * median(memory[False]):.0f}"
        report.add(f"memory of a waiting change, {name}: with looks", median(memory[True]), "bytes", most)


def used(ledger: Ledger) -> int:
    return int(ledger.redis.info("memory")["used_memory"])


def scenes(size: int) -> Iterator[tuple[str, Table, float]]:
    yield f"{size:,} distinct values, 90 % unchanged", distinct(size, 1), 0.9
    yield f"{size // 5:,} items x 5 fields, 90 % unchanged", distinct(size // 5, 5), 0.9
    yield f"{size:,} items, 40 values, 90 % unchanged", of_values(size, 40), 0.9
    yield f"{size:,} items, one value, nothing unchanged", of_values(size, 1), 0.0
    yield f"{size // 5:,} distinct values, nothing unchanged", distinct(size // 5, 1), 0.0


def main() -> None:
    given: Any = arguments(__doc__ or "", cells=10_000, rounds=5)
    size = 1_000 if given.quick else given.cells
    report = Report("tables", "Tables, with looks and without", quick=given.quick)
    for name, table, unchanged in scenes(size):
        compare(report, name, table, unchanged)
    recording(report, size, 1 if given.quick else given.rounds)
    report.note("A slot is one second: one request, 15 reads of 50 items. Requests and reads are counted, not timed.")
    report.write()


if __name__ == "__main__":
    main()
