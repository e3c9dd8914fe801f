"""Batches, answers and a driver that carries steps out in virtual time."""

from dataclasses import replace

from worker.decisions import Policy
from worker.ledger.records import Batch, BatchState, Cell, GroupSpec, Part
from worker.remote.models import Accepted, Exchange, JobReport, JobStatus

SPEC = GroupSpec("p", "story", None, "field_a", "UPDATE", None, "x")
EXCHANGE = Exchange(1.0, 1.1)
START_MS = 1_000_000_000


def make_policy(**changes):
    policy = Policy(
        max_attempts=3,
        backoff=0.5,
        backoff_max=60,
        grace=20,
        read_back=60,
        not_exist=30,
        job_timeout=3600,
        final_words=frozenset({"SUCCESS", "FAILED", "CANCELED"}),
        not_exist_words=frozenset({"NOT_EXIST"}),
    )
    return replace(policy, **changes)


def make_batch(items=(1, 2, 3), kind="new", tries=1, **fields):
    """`fields` of the record; times in ms, `now` by default one second after the batch was sent."""
    times = {"sent": START_MS, "entered": START_MS, "now": START_MS + 1000}
    text = {name: str(value) for name, value in {**times, **fields}.items()}
    return Batch(
        number=1,
        spec=SPEC,
        parts=tuple(Part(Cell(1, item), 1) for item in items),
        kind=kind,
        idem_uuid="uuid",
        token_fingerprint="token",
        tries=tries,
        first_sent_at_ms=START_MS,
        claimed_at_ms=START_MS,
        fence=1,
        fields=text,
    )


def by_item(of_cells):
    """Of a batch of one column."""
    return {cell.item: one for cell, one in of_cells.items()}


def after_seconds(seconds):
    return START_MS + round(seconds * 1000)


def accepted(task_id="job-1"):
    return Accepted(task_id, "log", EXCHANGE)


def report(
    word="SUCCESS",
    succeeded=None,
    failed=None,
    success_total=None,
    error_total=None,
    scenes=(),
    total=None,
    garbled=False,
):
    return JobReport(
        task_id="job-1",
        status=JobStatus(word) if word in set(JobStatus) else JobStatus.UNKNOWN,
        total=total,
        success_total=success_total,
        error_total=error_total,
        succeeded=None if succeeded is None else tuple(succeeded),
        failed=None if failed is None else tuple(failed),
        scenes=tuple(scenes),
        exchange=EXCHANGE,
        word=word,
        is_garbled=garbled,
    )


class Drive:
    """A batch on its way through the states, as the ledger would carry the steps out."""

    def __init__(self, items=(1, 2, 3)):
        self.now = 0.0
        self.batch = make_batch(items)
        self.state = BatchState.SENDING
        self.settled = {}
        self.paused = False
        self.sent_at = [0.0]  # of fresh sends
        self.sends_of_unknown = []  # seconds between a send of unknown outcome and the next fresh one

    @property
    def has_ended(self):
        return not self.batch.parts

    def seen(self):
        """The batch as claim and pick show it at this moment."""
        fields = {**self.batch.fields, "now": str(after_seconds(self.now))}
        return replace(self.batch, fields=fields)

    def apply(self, step):
        batch = self.batch
        assert not set(step.settled) - set(batch.cells)
        self.settled |= by_item(step.settled)
        fields = {**batch.fields, **{name: str(value) for name, value in step.fields.items()}}
        parts = tuple(part for part in batch.parts if part.cell not in step.settled)
        if step.then is not self.state:
            fields["entered"] = str(after_seconds(self.now))
        self.paused = bool(step.pause)
        tries = int(fields.get("tries", batch.tries))
        if step.split:
            parts, tries = parts[: (len(parts) + 1) // 2], 0
            fields = {name: fields[name] for name in ("sent", "entered", "now")}
        self.batch = replace(batch, parts=parts, tries=tries, fields=fields)
        self.now += step.delay + 0.01
        self.state = step.then
        if self.state in {BatchState.RESEND, BatchState.REASK} and parts:
            self._claim()

    def _claim(self):
        sent = {"sent": str(after_seconds(self.now))}
        tries = self.batch.tries
        if self.state is BatchState.RESEND:
            self.sent_at.append(self.now)
            tries += 1
        fields = {**self.batch.fields, **sent, "tries": str(tries)}
        self.batch = replace(self.batch, kind=str(self.state), tries=tries, fields=fields)
        self.state = BatchState.SENDING
