"""Random intents through both doors: overlapping, repeated, urgent, expiring, canceled."""

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kombu.exceptions import OperationalError

from feishu_batch import EnqueueError, UpdateIntent
from feishu_batch.intents import Condition
from tests.support.model import NUMBER, TEXT, _random_value, intent

ITEMS = list(range(1001, 1017))  # 1013 refuses
FIELDS = (TEXT, TEXT, NUMBER, "tags", "watchers", "field_6c5b4a", "priority", "owner")
LISTS = {"tags", "watchers", "field_6c5b4a"}
DOORS = ("library", "library through the proxy", "celery")
TASK = "feishu_batch.update_work_items"
RETRY_PAUSE = 0.3  # seconds
PATIENT = {"retry_policy": {"max_retries": 3, "interval_start": 0.2, "interval_max": 0.5}}


@dataclass
class Wish:
    """`cancel_at`: seconds after the start. `acknowledged_at`: when `enqueue` returned (Celery's door: never)."""

    intent: UpdateIntent
    door: str
    at: float
    cancel_at: float | None = None
    acknowledged: bool = False


def wishes(seed: object, count: int, seconds: float) -> list[Wish]:
    rng = random.Random(f"wishes {seed}")
    found: list[Wish] = []
    for number in range(count):
        found.append(_wish(rng, number, seconds, found))
    return found


def _wish(rng: random.Random, number: int, seconds: float, earlier: list[Wish]) -> Wish:
    at = rng.uniform(0, seconds)
    one = _intent(rng, number, at)
    if earlier and rng.random() < 0.35:
        one = _follow_up(rng, rng.choice(earlier).intent, one)
    cancel_at = at + rng.uniform(0, 2) if rng.random() < 0.12 else None
    return Wish(one, rng.choice(DOORS), at, cancel_at)


def _follow_up(rng: random.Random, known: UpdateIntent, one: UpdateIntent) -> UpdateIntent:
    """The same again where it is not there, or something else where it is."""
    same = {"work_item_ids": known.work_item_ids, "field_key": known.field_key}
    if rng.random() < 0.7 or one.field_key != known.field_key:
        same |= {name: getattr(known, name) for name in ("update_mode", "before_field_value", "after_field_value")}
        return one.model_copy(update={**same, "skip_unchanged": True, "expected_field_value": Condition.ANY})
    return one.model_copy(update={**same, "expected_field_value": known.after_field_value})


def _intent(rng: random.Random, number: int, at: float) -> UpdateIntent:
    field_key = rng.choice(FIELDS)
    mode = rng.choice(["APPEND", "APPEND", "UPDATE", "REPLACE"] if field_key in LISTS else ["UPDATE"])
    if field_key in {"priority", "owner"}:
        mode = rng.choice(["UPDATE", "REPLACE"])
    value = _random_value(rng, field_key)
    # A value that no other intent writes tells whose change a cell shows; a repeated one may be shared.
    if field_key == TEXT and rng.random() < 0.4:
        value = f"text {number}"
    if field_key == NUMBER and rng.random() < 0.4:
        value = 1000 + number
    more: dict[str, Any] = {}
    if mode == "REPLACE":
        more["before_field_value"] = _random_value(rng, field_key, before=True)
    if rng.random() < 0.2:
        more["keep_every_change"] = True
    if rng.random() < 0.2:
        more["priority"] = rng.randrange(10)
    if rng.random() < 0.12:
        more["expires_at"] = datetime.now(UTC) + timedelta(seconds=at + rng.uniform(0.2, 3))
    if rng.random() < 0.4:
        more["change_set"] = rng.choice(["storm", "calm:1", "one.more"])
    more |= _looks(rng, field_key)
    items = [rng.choice(ITEMS)] if rng.random() < 0.4 else rng.sample(ITEMS, rng.randint(2, len(ITEMS)))
    return intent(items, value, field_key, mode, **more)


def _looks(rng: random.Random, field_key: str) -> dict[str, Any]:
    """What makes the workers read cells before they write them."""
    more: dict[str, Any] = {}
    if rng.random() < 0.45:
        more["skip_unchanged"] = True
    if rng.random() < 0.2:
        more["keep_before"] = True
    if rng.random() < 0.15:
        more["expected_field_value"] = None if rng.random() < 0.3 else _random_value(rng, field_key)
    return more


@dataclass(frozen=True)
class Edit:
    """By a person, `at` seconds after the start."""

    at: float
    item: int
    field_key: str
    value: Any


def edits(seed: object, count: int, seconds: float) -> list[Edit]:
    rng = random.Random(f"edits {seed}")
    return [_edit(rng, seconds) for _ in range(count)]


def _edit(rng: random.Random, seconds: float) -> Edit:
    field_key = rng.choice(FIELDS)
    return Edit(rng.uniform(0, seconds), rng.choice(ITEMS), field_key, _random_value(rng, field_key))


@dataclass
class Producers:
    """One thread per door; each goes on until its intents are acknowledged, whatever happens to Redis."""

    stack: Any
    wishes: list[Wish]
    trouble: list[str] = field(default_factory=list)
    refusals: int = 0

    def start(self) -> None:
        self._started = time.monotonic()
        self._threads = [threading.Thread(target=self._produce, args=(door,), name=door) for door in DOORS]
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
            if thread.is_alive():
                self.trouble.append(f"the producer at {thread.name} was not done after the calm began")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def _produce(self, door: str) -> None:
        mine = sorted((wish for wish in self.wishes if wish.door == door), key=lambda wish: wish.at)
        try:
            if door == "celery":
                self._send(mine)
            else:
                self._enqueue(mine, through_proxy="proxy" in door)
        except Exception as error:  # noqa: BLE001 - any error, it is a finding
            self.trouble.append(f"the producer at {door} died: {error!r}")

    def _enqueue(self, mine: list[Wish], *, through_proxy: bool) -> None:
        url = self.stack.settings.effective_redis_url if through_proxy else self.stack.server.url
        with self.stack.new_client(url) as client:
            for wish in mine:
                time.sleep(max(0.0, wish.at - self.elapsed))
                while not wish.acknowledged:
                    try:
                        client.enqueue_many([wish.intent])
                        wish.acknowledged = True
                    except EnqueueError:
                        self.refusals += 1
                        time.sleep(RETRY_PAUSE)

    def _send(self, mine: list[Wish]) -> None:
        """Celery's guarantee: a message that was sent may vanish."""
        app = self.stack.celery_app()
        app.conf.broker_transport_options = {"socket_timeout": 2, "socket_connect_timeout": 1}
        with contextlib.closing(app):
            for wish in mine:
                time.sleep(max(0.0, wish.at - self.elapsed))
                content = wish.intent.model_dump(mode="json", exclude_defaults=True)
                # AttributeError: kombu's own, where a connection is closed while it publishes ('NoneType' … 'client').
                with contextlib.suppress(OperationalError, OSError, AttributeError):
                    app.send_task(
                        TASK, kwargs=content, queue="feishu.intents", task_id=wish.intent.intent_id, **PATIENT
                    )
