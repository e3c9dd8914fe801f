"""Every step of intake, submit, poll, settle, publish and finish, and a kill before and after it.

A point is `Class.method:before|after:n`, the n-th call; `chaos_app` does the killing. What brings the worker there is the
`Scene`: which intents are enqueued and what the remote system does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from feishu_batch import UpdateIntent
from tests.support.model import NUMBER, TEXT, intent


@dataclass(frozen=True)
class Scene:
    """`faults` of the sandbox; whether the intents come by Celery's door; whether one of them expires before it is sent; whether their
    cells are read before they are sent; whether they go by single updates.

    If one expires, the lane is paused until the crash: else the submit worker may come before the sweep, or the other way round.
    """

    name: str
    faults: tuple[str, ...] = ()
    by_celery: bool = False
    expiring: bool = False
    looks: bool = False
    singles: bool = False


PLAIN = Scene("plain")
BY_CELERY = Scene("by Celery", by_celery=True)
UNKNOWN = Scene("unknown outcome", faults=("batch_update:drop_after=2x",))
VOID = Scene("void job", faults=("batch_update:void_job=1x",))
REFUSED = Scene("refused", faults=("batch_update:refuse=2x,code=20014",))
EXPIRING = Scene("expiring", expiring=True)
LOOKS = Scene("looks", looks=True)
SINGLES = Scene("single updates", singles=True)
SINGLES_LOST = Scene("lost single updates", faults=("update_item:drop_after=2x",), singles=True)
SINGLES_REFUSED = Scene("refused single updates", faults=("update_item:refuse=1x,code=20050",), singles=True)
SINGLES_CLOSED = Scene("single updates not allowed", faults=("update_item:refuse=1x,code=10301",), singles=True)
NEW_TOKEN = Scene("token lost", faults=("batch_update:token_loss=1x",))


@dataclass(frozen=True)
class Point:
    worker: str
    at: str
    scene: Scene = PLAIN


@dataclass(frozen=True)
class Case:
    """Up to one point per worker process, all in one scene: they crash one after the other, or at once."""

    scene: Scene
    points: tuple[Point, ...]

    def __str__(self) -> str:
        return f"{self.scene.name}: {', '.join(f'{point.worker} {point.at}' for point in self.points)}"


def _around(worker: str, method: str, scene: Scene = PLAIN, call: int = 1) -> list[Point]:
    return [Point(worker, f"{method}:{moment}:{call}", scene) for moment in ("before", "after")]


INTAKE = [
    *_around("intake", "Intake.drain"),
    *_around("intake", "Inbox.take_round"),
    *_around("intake", "Inbox.take_round", call=2),
    *_around("intake", "Inbox.join_set"),
    *_around("intake", "Lane.record"),
    *_around("intake", "Inbox.hand_over"),
    *_around("intake", "Inbox.enqueue", BY_CELERY),
    *_around("intake", "Lane.record", BY_CELERY),
    *_around("intake", "Inbox.park", BY_CELERY),
    *_around("intake", "Lane.republish_if_ended", BY_CELERY),
]
SUBMIT = [
    *_around("submit", "RedisTokenStore.save", NEW_TOKEN, 1),
    *_around("submit", "RemoteClient.authenticate", NEW_TOKEN),
    *_around("submit", "Lane.claim"),
    *_around("submit", "Lane.claim", call=2),
    *_around("submit", "Slots.take"),
    *_around("submit", "RemoteClient.batch_update"),
    *_around("submit", "Slots.settle"),
    *_around("submit", "Lane.advance"),
    *_around("submit", "LaneHints.poll"),
    *_around("submit", "RemoteClient.batch_update", UNKNOWN),
    *_around("submit", "Lane.advance", UNKNOWN),
    *_around("submit", "RemoteClient.batch_update", UNKNOWN, 2),
    *_around("submit", "Lane.advance", UNKNOWN, 2),
    *_around("submit", "Lane.split", REFUSED),
    *_around("submit", "Lane.split", REFUSED, 2),
]
POLL = [
    *_around("poll", "Lane.pick"),
    *_around("poll", "Slots.take"),
    *_around("poll", "RemoteClient.task_result"),
    *_around("poll", "Slots.settle"),
    *_around("poll", "Lane.advance"),
    *_around("poll", "Lane.advance", call=2),
    *_around("poll", "Lane.note_duration"),
    *_around("poll", "ProgressReports.report"),
    *_around("poll", "LaneHints.publish"),
    *_around("poll", "RemoteClient.query_items", VOID),
    *_around("poll", "Lane.advance", VOID, 3),
]
PUBLISH = [
    *_around("intake", "Lane.take_outbox"),
    *_around("intake", "Publisher._publish"),
    *_around("intake", "Lane.confirm_published"),
    *_around("intake", "Publisher._publish", BY_CELERY),
    *_around("intake", "Finish.after_return", BY_CELERY),
    *_around("intake", "Inbox.release", BY_CELERY),
    *_around("intake", "Lane.confirm_published", BY_CELERY),
    *_around("intake", "LaneSweep.run"),
    *_around("intake", "Lane.end_stopped", EXPIRING),
]
LOOK = [
    *_around("submit", "Lane.keep_before", LOOKS),
    *_around("submit", "Lane.note_looked", LOOKS),
    *_around("submit", "RemoteClient.query_items", LOOKS),
    *_around("submit", "RemoteClient.batch_update", LOOKS),
    *_around("poll", "Lane.claim_look", LOOKS),
    *_around("poll", "RemoteClient.query_items", LOOKS),
    *_around("poll", "Lane.end_look", LOOKS),
    *_around("poll", "LaneHints.submit", LOOKS),
]
OF_SINGLES = [
    *_around("poll", "SingleRoute.claim", SINGLES),
    *_around("poll", "RemoteClient.update_item", SINGLES),
    *_around("poll", "Lane.advance", SINGLES),
    *_around("poll", "SingleRoute.pick_checks", SINGLES),
    *_around("poll", "RemoteClient.query_items", SINGLES),
    *_around("poll", "RemoteClient.update_item", SINGLES_LOST),
    *_around("poll", "Lane.advance", SINGLES_LOST),
    *_around("poll", "Lane.split", SINGLES_REFUSED),
    *_around("poll", "SingleRoute.dissolve", SINGLES_CLOSED),
]
ALL = [*INTAKE, *SUBMIT, *POLL, *PUBLISH, *LOOK]


def _cases(points: list[Point]) -> list[Case]:
    """As few as may be: a case costs seconds, most of them for starting processes."""
    found: list[Case] = []
    for scene in dict.fromkeys(point.scene for point in points):
        columns = [[p for p in points if p.scene == scene and p.worker == w] for w in ("submit", "poll", "intake")]
        rows = zip_longest(*columns)
        found += [Case(scene, tuple(point for point in row if point is not None)) for row in rows]
    return found


ALL_CASES = _cases(ALL)
# The points at which most is at stake, for every run of the tests; the others are for `make chaos`.
CHOSEN_CASES = _cases(
    [
        Point("submit", "RemoteClient.batch_update:after:1"),
        Point("poll", "Lane.advance:after:1"),
        Point("intake", "Inbox.hand_over:before:1"),
        Point("submit", "Lane.claim:after:1", BY_CELERY),
        Point("poll", "RemoteClient.task_result:after:1", BY_CELERY),
        Point("intake", "Inbox.park:before:1", BY_CELERY),
        Point("submit", "Lane.advance:after:1", VOID),
        Point("poll", "RemoteClient.query_items:after:1", VOID),
        Point("intake", "Lane.confirm_published:before:1", VOID),
        Point("submit", "Lane.split:after:1", REFUSED),
        Point("submit", "Lane.note_looked:after:1", LOOKS),
        Point("poll", "RemoteClient.query_items:after:1", LOOKS),
    ]
)
ALL_SINGLE_CASES = _cases(OF_SINGLES)
CHOSEN_SINGLE_CASES = _cases(
    [
        Point("poll", "RemoteClient.update_item:after:1", SINGLES),
        Point("poll", "Lane.split:after:1", SINGLES_REFUSED),
    ]
)


def intents_for(scene: Scene) -> list[UpdateIntent]:
    """A few that meet at cells, so that an order that was lost shows."""
    if scene.looks:
        return intents_that_look()
    if scene.singles:
        return intents_of_several_fields()
    found = [intent([1001, 1002, 1003], f"{number}", keep_every_change=True, change_set="crash") for number in range(3)]
    found.append(intent([1002, 1013], [{"value": "q4w7e9r3y"}], "tags", "APPEND"))
    if scene.expiring:
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        found.append(intent([1001], "never", TEXT, keep_every_change=True, expires_at=soon))
    return found


def intents_that_look() -> list[UpdateIntent]:
    """Some are not needed: what the fields hold from the beginning. Some keep what was there, or write only where it is so."""
    there = {"value": "option_2"}
    return [
        intent([1001, 1002, 1003, 1013], there, "priority", skip_unchanged=True, change_set="crash"),
        intent([1001, 1002, 1003], "new", TEXT, skip_unchanged=True),
        intent([1003, 1004], {"value": "option_0"}, "priority", keep_before=True, expected_field_value=there),
        intent([1005, 1006], [{"value": "q4w7e9r3y"}], "tags", keep_before=True, skip_unchanged=True),
        intent([1006], [{"value": "u5i8o2p6a"}], "tags", "APPEND", keep_before=True, keep_every_change=True),
        intent([1007], {"value": "option_1"}, "priority", expected_field_value={"value": "option_0"}),
    ]


def intents_of_several_fields() -> list[UpdateIntent]:
    """Each item has fields of its own values, and lines at its cells."""
    found = []
    for item in (1001, 1002, 1003, 1013):
        found += [intent([item], f"text {item}", TEXT, change_set="crash"), intent([item], item, NUMBER)]
        found.append(intent([item], {"value": "option_1"}, "priority"))
        found.append(intent([item], f"then {item}", TEXT, keep_every_change=True))
    return found
