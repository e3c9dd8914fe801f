"""Memory: bytes of Redis per pending change, by the server's own count, with everything that intake leaves behind.

That is: intent records, intent ids, cells, ready sets, groups, and what the emptied inbox still holds.
Beside it: a Celery message per change in its queue.
"""

from celery import Celery

from bench.common import Report, arguments
from bench.server import Server
from bench.world import FIRST_ITEM, content, contents, drain, runtime_for, settings_for
from feishu_batch import FeishuBatch

# name: items per intent, different values, bytes per change that are allowed
CASES = {
    "intents of 50 items": (50, 1, "≤ 250"),
    "intents of 10,000 items": (10_000, 1, "≤ 250"),
    "single-item intents, one value": (1, 1, "≤ 800"),
    "single-item intents, 1,000 values": (1, 1000, "≤ 800"),
    "single-item intents, every value another": (1, 10**9, ""),
}
PORTION = 50_000


def pending(changes: int, per_intent: int, values: int) -> tuple[float, dict[str, float]]:
    """Bytes per change, and per change and kind of key (MEMORY USAGE, sampled where there are many)."""
    with Server(None) as server, FeishuBatch(server.url, timeout=60) as client:
        runtime = runtime_for(settings_for(server.url))
        client.enqueue_many([content([1])])
        drain(runtime)
        before = server.memory()
        waiting = list(contents(changes, per_intent, values=values))
        size = max(1, PORTION // per_intent)
        for start in range(0, len(waiting), size):
            client.enqueue_many(waiting[start : start + size])
            drain(runtime)
        after = server.memory()
        lane = next(iter(runtime.lanes.values())).lane
        assert lane.counts().owned_cells == changes + 1, "every change is pending"
        return (after - before) / changes, shares(server, changes)


def shares(server: Server, changes: int) -> dict[str, float]:
    found: dict[str, list[str]] = {}
    for key in server.redis.scan_iter(count=10_000):
        parts = key.rpartition("}:")[2].split(":")
        found.setdefault(parts[0] if len(parts) > 1 else key, []).append(key)
    usage = {}
    for kind, keys in found.items():
        sample = keys[:200]
        used = sum(server.redis.memory_usage(key, samples=200) or 0 for key in sample)
        usage[kind] = round(used / len(sample) * len(keys) / changes, 2)
    return dict(sorted(usage.items(), key=lambda pair: -pair[1])[:8])


def celery_messages(count: int) -> float:
    with Server(None) as server:
        app = Celery("plain", broker=server.url, set_as_current=False)

        @app.task(name="plain.change")
        def change(**_: object) -> None: ...

        change.delay(**content([1]))
        before = server.memory()
        for number in range(count):
            change.delay(**content([FIRST_ITEM + number]))
        return (server.memory() - before) / count


def main() -> None:
    given = arguments(__doc__ or "", changes=1_000_000)
    changes = 100_000 if given.quick else given.changes
    report = Report("memory", f"Redis memory with {changes:,} pending changes", quick=given.quick)
    for name, (per_intent, values, target) in CASES.items():
        per_change, kinds = pending(changes, per_intent, values)
        report.add(name, per_change, "B/change", target)
        report.data[name] = kinds
        report.note(f"    of it, by MEMORY USAGE: {', '.join(f'{kind} {size:g}' for kind, size in kinds.items())}")
    report.add("peer: a Celery message per change", celery_messages(2_000 if given.quick else 20_000), "B/change")
    report.write()


if __name__ == "__main__":
    main()
