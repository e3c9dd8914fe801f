"""Intakes as their processes have them, side by side on one ledger, and producers for them."""

from celery import Celery

from config.celery_options import celery_options
from config.settings import Settings
from feishu_batch import UpdateIntent
from feishu_batch.packing import PackedIntent
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.pipeline.hints import IntakeHints, LaneHints
from worker.pipeline.intake import Intake
from worker.pipeline.intake_refusals import IntakeLane

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
        self.inbox = Inbox(redis, prefix)
        self.lanes = {name: Lane(redis, prefix, name) for name in lanes}

    def enqueue(self, *wishes):
        for one in wishes:
            self.inbox.enqueue(PackedIntent.of(one))

    def intake(self, lane=Lane, inbox=None, lease=LEASE):
        """Another process's. `lane` makes its lanes, so that a test can stop it, or break it, at a step."""
        inbox = inbox or self.inbox
        lanes = {}
        for name in self.names:
            one = lane(self.redis, self.prefix, name)
            lanes[name] = IntakeLane(one, LaneHints(self.app, one))
        hints = IntakeHints(self.app, inbox)
        return Intake(inbox=inbox, hints=hints, route=self._route, lanes=lanes, lease=lease)

    def _route(self, lane, _project):
        return lane or self.names[0]

    def record(self, number, lane=None):
        return self.redis.hgetall(self.lanes[lane or self.names[0]].keys.intent(number))

    def located(self, intent_id):
        return self.inbox.locate(intent_id)
