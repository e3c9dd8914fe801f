"""Intakes as their processes have them, side by side on one ledger, and producers for them."""

from celery import Celery

from config.celery_options import celery_options
from config.settings import Settings
from feishu_batch import UpdateIntent
from feishu_batch.packing import PackedIntent
from worker.ledger.front import Front
from worker.ledger.lane import Lane
from worker.pipeline.hints import IntakeHints, LaneHints
from worker.pipeline.intake import Intake, LaneDoor

LEASE = 30.0  # seconds
PROJECT = "5f0c1a2b3c4d5e6f70818283"


def wish(intent_id, items=(1, 2), value="v", **more):
    content = {"project_key": PROJECT, "work_item_type_key": "story", "field_key": "f", "update_mode": "UPDATE"}
    return UpdateIntent(
        **{**content, "intent_id": intent_id, "work_item_ids": items, "after_field_value": value, **more}
    )


class Site:
    """One ledger. `lanes` are told apart by the intents' own `lane`; the first is the default."""

    def __init__(self, redis_url, redis, prefix, lanes=("default",)):
        self.settings = Settings(redis_url=redis_url, key_prefix=prefix, plugin_id="p", plugin_secret="s", user_key="u")
        self.app = Celery("intake", set_as_current=False)
        self.app.conf.update(celery_options(self.settings))
        self.redis, self.prefix, self.names = redis, prefix, lanes
        self.front = Front(redis, prefix)
        self.lanes = {name: Lane(redis, prefix, name) for name in lanes}

    def enqueue(self, *wishes):
        for one in wishes:
            self.front.enqueue(PackedIntent.of(one))

    def intake(self, lane=Lane, front=None, lease=LEASE):
        """Another process's. `lane` makes its lanes, so that a test can stop it, or break it, at a step."""
        front = front or self.front
        doors = {}
        for name in self.names:
            one = lane(self.redis, self.prefix, name)
            doors[name] = LaneDoor(one, LaneHints(self.app, one))
        hints = IntakeHints(self.app, front)
        return Intake(front=front, hints=hints, route=self._route, lanes=doors, lease=lease)

    def _route(self, lane, _project):
        return lane or self.names[0]

    def record(self, number, lane=None):
        return self.redis.hgetall(self.lanes[lane or self.names[0]].key(f"intent:{number}"))

    def located(self, intent_id):
        return self.front.locate(intent_id)
