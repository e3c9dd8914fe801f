"""Every metric: its name, its meaning, and how it is read from a lane's state. Label values are closed lists."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from feishu_batch.outcomes import OutcomeKind
from worker.ledger.fields import REQUESTS_OF
from worker.ledger.histograms import BOUNDS
from worker.metrics.reading import SLOTS, LaneState
from worker.metrics.sets import SET_METRICS
from worker.remote.calls import RequestKind
from worker.remote.errors import words

OTHER = "other"  # for a word that this version does not know
OUTCOMES = {kind.field: kind.label for kind in OutcomeKind}
REASONS = (
    "refused_at_intake",  # by the catalogue, before a request was spent
    "item_refused",  # by the remote job, for this item
    "request_refused",  # the whole request, with an error code
    "outcome_unknown",
    "not_stored",
    "condition",  # `expected_field_value` did not hold, or could not be checked
    "replacement_failed",  # a later change replaced it and failed
    "no_lane",
    "not_understood",
    "crashed",
    OTHER,
)
ANSWERS = (*words(), OTHER)
REQUEST_KINDS = tuple(map(str, RequestKind))


class MetricKind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


Values = Mapping[tuple[str, ...], float]  # by the values of the labels behind `lane`


@dataclass(frozen=True, slots=True)
class Metric:
    """`name`: without the `_total` of a counter. `labels`: in addition to `lane`."""

    name: str
    kind: MetricKind
    meaning: str
    read: Callable[[LaneState], Values]
    labels: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        return f"{self.name}_total" if self.kind is MetricKind.COUNTER else self.name


@dataclass(frozen=True, slots=True)
class Histogram:
    name: str
    meaning: str
    field: str  # of the ledger's hash
    bounds: tuple[int, ...]
    unit: float = 1.0  # of the metric, in units of the ledger

    kind = MetricKind.HISTOGRAM
    labels = ()

    @property
    def shown_name(self) -> str:
        return self.name

    def read(self, state: LaneState) -> tuple[list[tuple[str, float]], float]:
        """(upper bound, number of values up to it), ending with +Inf; and the sum."""
        seen, buckets = 0, []
        for bound in (*self.bounds, None):
            seen += state.figure(f"{self.field}:{'inf' if bound is None else bound}")
            buckets.append(("+Inf" if bound is None else str(bound / self.unit), float(seen)))
        return buckets, state.figure(f"{self.field}:sum") / self.unit


def _gauge(name: str, meaning: str, read: Callable[[LaneState], float]) -> Metric:
    return Metric(f"feishu_batch_{name}", MetricKind.GAUGE, meaning, lambda state: {(): read(state)})


def _counter(name: str, meaning: str, field: str, unit: float = 1.0) -> Metric:
    return Metric(f"feishu_batch_{name}", MetricKind.COUNTER, meaning, lambda state: {(): state.figure(field) / unit})


def known_words(counts: Mapping[str, int], known: Iterable[str]) -> dict[tuple[str, ...], float]:
    """Every known word, even with 0, so that rates are correct from the start; all unknown words are counted as `other`."""
    values: dict[tuple[str, ...], float] = {(word,): float(counts.get(word, 0)) for word in known}
    values[OTHER,] = float(sum(by for word, by in counts.items() if (word,) not in values or word == OTHER))
    return values


def _behind(prefix: str, fields: Mapping[str, str]) -> dict[str, int]:
    return {name.removeprefix(prefix): int(by) for name, by in fields.items() if name.startswith(prefix)}


def _requests(state: LaneState) -> Values:
    return known_words(_behind(REQUESTS_OF, state.counted), REQUEST_KINDS)


def _outcomes(state: LaneState) -> Values:
    return {(word,): state.figure(field) for field, word in OUTCOMES.items()}


def _reasons(state: LaneState) -> Values:
    return known_words(_behind("fl:", state.counted), REASONS)


def _answers(state: LaneState) -> Values:
    answers = {endpoint: known_words(_behind("answer:", state.slots[endpoint]), ANSWERS) for endpoint in SLOTS}
    return {(endpoint, *word): by for endpoint, counts in answers.items() for word, by in counts.items()}


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
        "Waiting changes: without an outcome, and not in a request.",
        lambda state: state.figure("opn") - state.figure("snt"),
    ),
    _gauge(
        "ready_changes",
        "Changes that could be sent now; the other pending ones wait behind a change of their cell, or are merged with one.",
        lambda state: state.owned_cells - state.figure("held"),
    ),
    _gauge(
        "open_changes", "Changes that are in a request or in a job, or are being read back.", lambda s: s.figure("snt")
    ),
    _gauge("ready_groups", "Groups with ready changes; each needs its own request.", lambda s: s.ready_groups),
    _gauge("open_intents", "Intents that have not ended.", lambda state: state.sizes["open-intents"]),
    _gauge(
        "oldest_intent_age_seconds",
        "Time since the oldest unfinished intent was enqueued; 0 if there is none.",
        lambda state: state.age("open-intents"),
    ),
    _gauge(
        "longest_ready_wait_seconds",
        "How long the longest waiting group has had ready changes without any of them being sent.",
        lambda state: state.age("since"),
    ),
    Metric(
        "feishu_batch_batches",
        MetricKind.GAUGE,
        "Batches that are being sent, are open as jobs, will be sent again (resend) or read back (check).",
        _batches,
        ("state",),
    ),
    _counter("recorded_changes", "Changes that the lane recorded.", "rec"),
    Metric(
        "feishu_batch_ended_changes", MetricKind.COUNTER, "Changes that ended, by outcome.", _outcomes, ("outcome",)
    ),
    Metric(
        "feishu_batch_failed_changes",
        MetricKind.COUNTER,
        "Changes that failed, by class of reason.",
        _reasons,
        ("reason",),
    ),
    Histogram(
        "feishu_batch_time_to_applied_seconds",
        "Time from enqueued to succeeded, for each change that succeeded.",
        "applied",
        BOUNDS["applied"],
        1000.0,
    ),
    Histogram("feishu_batch_batch_items", "Items of each batch, when it was composed.", "fill", BOUNDS["fill"]),
    _counter("requests", "Requests to change items that were sent, or may have been sent.", "sent"),
    Metric(
        "feishu_batch_remote_requests",
        MetricKind.COUNTER,
        "Requests of every kind, look-ups and log-ins too: what a quota counts.",
        _requests,
        ("kind",),
    ),
    _gauge("single_groups", "Groups whose changes wait for single updates.", lambda s: s.single_groups),
    _counter("single_updates", "Single updates, as they were composed: requests for one item.", "singles"),
    _counter("single_update_changes", "Changes in these.", "single_changes"),
    Metric(
        "feishu_batch_answers",
        MetricKind.COUNTER,
        "Answers to requests, by endpoint (submit, poll, single); rate_limited is a rejection by the limit.",
        _answers,
        ("endpoint", "answer"),
    ),
    _counter(
        "unknown_outcomes",
        "Batches with an unknown outcome: the request, or its job, may or may not have changed the items.",
        "unk",
    ),
    _counter("split_batches", "Refused batches that were halved to find the bad item.", "split"),
    _gauge("slot_seconds", "Shortest time between two requests, as set.", lambda state: state.slot),
    _counter(
        "slot_idle_seconds",
        "Time beyond the slot's length in which no batch was sent although one could have been.",
        "idle",
        1000.0,
    ),
    _gauge(
        "slot_idle_now_seconds",
        "The same for the present moment; added to the counter when the next batch is sent.",
        lambda state: state.idle_now(),
    ),
    _gauge(
        "standstill_seconds",
        "How long no request was sent although one could have been; 0 while the lane makes progress, backs off, or is paused.",
        lambda state: state.stalled_for(),
    ),
    Metric("feishu_batch_strikes", MetricKind.GAUGE, "Failed requests in a row.", _strikes, ("endpoint",)),
    Histogram("feishu_batch_job_polls", "Polls of each ended job.", "polls", BOUNDS["polls"]),
    Histogram(
        "feishu_batch_detection_lag_seconds",
        "Estimated time from a job's end to the poll that saw it: half the time since the job was last seen running.",
        "lag",
        BOUNDS["lag"],
        1000.0,
    ),
    _gauge(
        "poll_overdue_seconds", "How long the poll of the job that is due first is overdue.", lambda s: s.age("jobs")
    ),
    _gauge(
        "read_back_overdue_seconds",
        "How long the read-back of the batch that is due first is overdue.",
        lambda s: s.age("checks"),
    ),
    _gauge("unpublished_intents", "Ended intents whose result is not published.", lambda state: state.sizes["outbox"]),
    _gauge(
        "outbox_overdue_seconds",
        "How long the publication of the first of them is overdue.",
        lambda state: state.age("outbox"),
    ),
    _gauge("paused", "1 while the lane is paused.", lambda state: float(state.is_paused)),
    _counter("pauses", "How often the lane was paused, by an operator or automatically.", "pauses"),
    _gauge(
        "last_sweep_timestamp_seconds", "Time of the lane's last sweep; 0: none for a day.", lambda s: s.swept_at or 0.0
    ),
)
INBOX_INTENTS = ("feishu_batch_inbox_intents", "Intents that no lane has recorded yet.")
INBOX_AGE = ("feishu_batch_inbox_oldest_age_seconds", "Time since the oldest of them was enqueued; 0 if there is none.")


def reference() -> list[tuple[str, str, str, str]]:
    """(name, kind, labels, meaning) of every metric, in the order of the exposition."""
    inbox = [(name, str(MetricKind.GAUGE), "", meaning) for name, meaning in (INBOX_INTENTS, INBOX_AGE)]
    lanes = [(one.shown_name, str(one.kind), ", ".join(("lane", *one.labels)), one.meaning) for one in METRICS]
    gauge = str(MetricKind.GAUGE)
    sets = [(one.name, gauge, ", ".join(("set", *one.labels)), one.meaning) for one in SET_METRICS]
    return inbox + lanes + sets
