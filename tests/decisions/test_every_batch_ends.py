"""From any sequence of answers a batch comes to its end, and never in a dangerous way."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisions.factory import Drive, accepted, make_policy, report
from worker.decisions import after_poll, after_read_back, after_read_back_failed, after_submit
from worker.ledger.records import BatchState
from worker.remote import errors

POLICY = make_policy()
MANY = 1500  # steps
ITEMS = (1, 2, 3, 4)

BUSY = errors.NotExecuted("busy", code=50005)
REFUSED = errors.BatchRefused("bad", code=20001)
SPLITTABLE = errors.BatchRefused("an item is bad", code=20014, splittable=True)
SPACE = errors.SpaceRefused("wrong space", code=30001)
UNKNOWN = errors.OutcomeUnknown("time-out")
NOT_SERVED = errors.NotExecuted("the answer is not an API answer", http_status=404)
CLASH = errors.IdempotencyClash("repeat", code=10430)

some_items = st.none() | st.sets(st.sampled_from(ITEMS))
reports = st.builds(
    report,
    word=st.sampled_from(["SUCCESS", "FAILED", "CANCELED", "RUNNING", "IDLE", "NOT_EXIST", "ODD"]),
    succeeded=some_items,
    failed=some_items,
    success_total=st.none() | st.integers(0, 4),
    error_total=st.none() | st.integers(0, 4),
    scenes=st.lists(st.sampled_from(["A", "B"]), max_size=2),
)
submit_answers = st.sampled_from([BUSY, REFUSED, SPLITTABLE, SPACE, UNKNOWN, UNKNOWN, CLASH, accepted(), accepted()])
poll_answers = reports | st.sampled_from([BUSY, REFUSED, SPACE, NOT_SERVED])
shows = st.dictionaries(st.sampled_from(ITEMS), st.sampled_from([True, False, False, None]))
look_answers = shows | st.sampled_from([BUSY, REFUSED, SPACE, NOT_SERVED])


def next_step(drive, submit_answer, poll_answer, look_answer):
    batch = drive.seen()
    if drive.state is BatchState.SENDING:
        return after_submit(batch, submit_answer, POLICY, 1.0)
    if drive.state is BatchState.OPEN:
        return after_poll(batch, poll_answer, POLICY, 30.0)
    if isinstance(look_answer, errors.RemoteError):
        return after_read_back_failed(batch, look_answer, POLICY)
    return after_read_back(batch, {item: look_answer.get(item) for item in batch.items if item in look_answer}, POLICY)


def in_circles(answers):
    while True:
        yield from answers


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(submit_answers, poll_answers, look_answers), min_size=1, max_size=12))
def test_a_batch_ends_whatever_the_answers_are(answers):
    """A pause and an unreachable remote system apart, answers repeat for ever: so the worst of them does, too."""
    drive = Drive(ITEMS)
    for _, triple in zip(range(MANY), in_circles(answers), strict=False):
        drive.apply(next_step(drive, *triple))
        if drive.has_ended:
            break
    assert drive.has_ended, (drive.state, drive.batch, drive.now)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(submit_answers, poll_answers, look_answers), min_size=1, max_size=40))
def test_an_unknown_outcome_is_never_sent_again_within_the_grace_time(answers):
    drive = Drive(ITEMS)
    unknown_since = None
    for triple in answers:
        if drive.has_ended:
            break
        if drive.state is BatchState.SENDING and isinstance(triple[0], errors.OutcomeUnknown | errors.IdempotencyClash):
            unknown_since = drive.now if unknown_since is None else unknown_since
        sends = len(drive.sent_at)
        drive.apply(next_step(drive, *triple))
        if len(drive.sent_at) > sends and unknown_since is not None:
            assert drive.now - unknown_since >= POLICY.grace
            unknown_since = None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(submit_answers, poll_answers, look_answers), min_size=1, max_size=40))
def test_a_split_is_asked_for_only_where_nothing_is_known_to_have_been_executed(answers):
    drive = Drive(ITEMS)
    for triple in answers:
        if drive.has_ended:
            break
        step = next_step(drive, *triple)
        assert not step.split or (drive.batch.kind != BatchState.REASK and len(drive.batch.items) > 1)
        drive.apply(step)
