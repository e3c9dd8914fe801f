"""Every metric: its name, what it means, and how it is read from a lane's state. Label values are closed lists."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from worker.metrics.reading import SLOTS, LaneState
from worker.remote.errors import words

OTHER = "other"  # for a word that this version does not know
OUTCOMES = {"ok": "succeeded", "fl": "failed", "sp": "superseded", "cn": "canceled", "ex": "expired"}
REASONS = (
    "refused_at_intake",  # by the catalogue, before a request was spent
    "item_refused",  # by the remote job, for this item
    "request_refused",  # the whole request, with an error code
    "outcome_unknown",
    "not_stored",
    "replacement_failed",  # a later change took its place and failed
    "no_lane",
    "not_understood",
    "crashed",
    OTHER,
)
ANSWERS = (*words(), OTHER)
# Upper bounds as the scripts know them (_lane.lua); those of times are milliseconds there and seconds in the metric.
_MINUTE, _HOUR = 60_000, 3_600_000
APPLIED = (
    *(500, 1_000, 2_000, 5_000, 10_000, 30_000),
    *(_MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(_HOUR, 4 * _HOUR, 12 * _HOUR, 24 * _HOUR),
)
LAG = (100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)
FILL = (1, 2, 5, 10, 20, 30, 40, 49, 50)
POLLS = (1, 2, 3, 5, 10, 20, 50)


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


Values = Mapping[tuple[str, ...], float]  # by the values of the labels behind `lane`


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` without the `_total` of a counter. `labels` come behind `lane`."""

    name: str
    kind: Kind
    meaning: str
    read: Callable[[LaneState], Values]
    labels: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


@dataclass(frozen=True, slots=True)
class Histogram:
    name: str
    meaning: str
    field: str  # of the ledger's hash
    bounds: tuple[int, ...]
    unit: float = 1.0  # of the metric, in units of the ledger

    kind = Kind.HISTOGRAM
    labels = ()

    @property
    def shown_name(self) -> str:
        return self.name

    def read(self, state: LaneState) -> tuple[list[tuple[str, float]], float]:
        """(upper bound, how many at most so much), ending with +Inf; and the sum."""
        seen, buckets = 0, []
        for bound in (*self.bounds, None):
            seen += state.figure(f"{self.field}:{'inf' if bound is None else bound}")
            buckets.append(("+Inf" if bound is None else str(bound / self.unit), float(seen)))
        return buckets, state.figure(f"{self.field}:sum") / self.unit


def _gauge(name: str, meaning: str, read: Callable[[LaneState], float]) -> Metric:
    return Metric(f"feishu_batch_{name}", Kind.GAUGE, meaning, lambda state: {(): read(state)})


def _counter(name: str, meaning: str, field: str, unit: float = 1.0) -> Metric:
    return Metric(f"feishu_batch_{name}", Kind.COUNTER, meaning, lambda state: {(): state.figure(field) / unit})


def known_words(told: Mapping[str, int], known: Iterable[str]) -> dict[tuple[str, ...], float]:
    """Every known word, also at 0, so that a rate has a beginning; the unknown ones together are `other`."""
    values: dict[tuple[str, ...], float] = {(word,): float(told.get(word, 0)) for word in known}
    values[OTHER,] = float(sum(by for word, by in told.items() if (word,) not in values or word == OTHER))
    return values


def _behind(prefix: str, fields: Mapping[str, str]) -> dict[str, int]:
    return {name.removeprefix(prefix): int(by) for name, by in fields.items() if name.startswith(prefix)}


def _outcomes(state: LaneState) -> Values:
    return {(word,): state.figure(field) for field, word in OUTCOMES.items()}


def _reasons(state: LaneState) -> Values:
    return known_words(_behind("fl:", state.counted), REASONS)


def _answers(state: LaneState) -> Values:
    told = {endpoint: known_words(_behind("answer:", state.slots[endpoint]), ANSWERS) for endpoint in SLOTS}
    return {(endpoint, *word): by for endpoint, counts in told.items() for word, by in counts.items()}


def _batches(state: LaneState) -> Values:
    sizes = state.sizes
    return {
        ("sending",): float(state.is_sending),
        ("open",): sizes["jobs"],
        ("resend",): sizes["due"],
        ("check",): sizes["checks"],
    }


def _strikes(state: LaneState) -> Values:
    return {(endpoint,): int(fields.get("strikes") or 0) for endpoint, fields in state.slots.items()}


METRICS: tuple[Metric | Histogram, ...] = (
    _gauge(
        "pending_changes",
        "Changes that wait: without an outcome, and in no request.",
        lambda state: state.figure("opn") - state.figure("snt"),
    ),
    _gauge(
        "ready_changes",
        "Changes that could be sent now; the other pending ones wait behind a change of their cell, or share one.",
        lambda state: state.owned_cells - state.figure("held"),
    ),
    _gauge(
        "open_changes", "Changes that are in a request or in a job, or are being read back.", lambda s: s.figure("snt")
    ),
    _gauge("ready_groups", "Groups with ready changes; each needs a request of its own.", lambda s: s.ready_groups),
    _gauge("open_intents", "Intents that have not ended.", lambda state: state.sizes["open-intents"]),
    _gauge(
        "oldest_intent_age_seconds",
        "Since the oldest intent that has not ended was enqueued; 0 when there is none.",
        lambda state: state.age("open-intents"),
    ),
    _gauge(
        "longest_ready_wait_seconds",
        "For how long the group that waits longest for its turn has had ready changes of which none was sent.",
        lambda state: state.age("since"),
    ),
    Metric(
        "feishu_batch_batches",
        Kind.GAUGE,
        "Batches that are being sent, are open as jobs, wait to be sent again (resend) or to be read back (check).",
        _batches,
        ("state",),
    ),
    _counter("recorded_changes", "Changes that the lane took in.", "rec"),
    Metric("feishu_batch_ended_changes", Kind.COUNTER, "Changes that ended, by outcome.", _outcomes, ("outcome",)),
    Metric(
        "feishu_batch_failed_changes", Kind.COUNTER, "Changes that failed, by class of reason.", _reasons, ("reason",)
    ),
    Histogram(
        "feishu_batch_time_to_applied_seconds",
        "From enqueued to succeeded, of each change that succeeded.",
        "applied",
        APPLIED,
        1000.0,
    ),
    Histogram("feishu_batch_batch_items", "Items of each batch, when it was composed.", "fill", FILL),
    _counter("requests", "Requests to change items that left, or may have left.", "sent"),
    Metric(
        "feishu_batch_answers",
        Kind.COUNTER,
        "What came of each request, by endpoint (submit, poll); rate_limited is a rejection by the limit.",
        _answers,
        ("endpoint", "answer"),
    ),
    _counter(
        "unknown_outcomes", "Batches of which it was unknown whether the request, or its job, changed anything.", "unk"
    ),
    _counter("split_batches", "Refused batches that were halved to find the item at fault.", "split"),
    _gauge("slot_seconds", "Shortest time between two requests, as set.", lambda state: state.slot),
    _counter(
        "slot_idle_seconds",
        "Time beyond the slot's length before a batch was taken for sending although one could have been.",
        "idle",
        1000.0,
    ),
    _gauge(
        "slot_idle_now_seconds",
        "The same of the batch that is not taken yet; it is added to the counter when one is.",
        lambda state: state.idle_now(),
    ),
    _gauge(
        "standstill_seconds",
        "For how long no request was made although one could have been; 0 while the lane moves, or backs off, or is paused.",
        lambda state: state.standstill(),
    ),
    Metric("feishu_batch_strikes", Kind.GAUGE, "Failed requests in a row.", _strikes, ("endpoint",)),
    Histogram("feishu_batch_job_polls", "Polls of each job that was seen to end.", "polls", POLLS),
    Histogram(
        "feishu_batch_detection_lag_seconds",
        "From a job's end to the poll that saw it, as estimated: half the time since it was last known to run.",
        "lag",
        LAG,
        1000.0,
    ),
    _gauge(
        "poll_overdue_seconds", "For how long the job that is due first was not asked for.", lambda s: s.age("jobs")
    ),
    _gauge(
        "read_back_overdue_seconds",
        "For how long the batch that is due first was not read back.",
        lambda s: s.age("checks"),
    ),
    _gauge("unpublished_intents", "Ended intents whose result is not made known.", lambda state: state.sizes["outbox"]),
    _gauge("outbox_overdue_seconds", "For how long the first of them is due.", lambda state: state.age("outbox")),
    _gauge("paused", "1 while the lane is paused.", lambda state: float(state.is_paused)),
    _counter("pauses", "How often the lane was paused, by somebody or by itself.", "pauses"),
    _gauge(
        "last_sweep_timestamp_seconds", "When the lane was last swept; 0: not for a day.", lambda s: s.swept_at or 0.0
    ),
)
INBOX_INTENTS = ("feishu_batch_inbox_intents", "Intents that no lane has recorded yet.")
INBOX_AGE = ("feishu_batch_inbox_oldest_age_seconds", "Since the oldest of them was enqueued; 0 when there is none.")


def reference() -> list[tuple[str, str, str, str]]:
    """(name, kind, labels, meaning) of every metric, in the order of the exposition."""
    inbox = [(name, str(Kind.GAUGE), "", meaning) for name, meaning in (INBOX_INTENTS, INBOX_AGE)]
    lanes = [(one.shown_name, str(one.kind), ", ".join(("lane", *one.labels)), one.meaning) for one in METRICS]
    return inbox + lanes
