"""A page over a ledger that a test drives by hand, with the names of fields as workers look them up. No worker runs."""

import time
from dataclasses import dataclass

from pydantic import TypeAdapter
from redis import Redis

from feishu_batch import FeishuBatch
from tests.catalogue.wish import demo_catalogue
from tests.support.command import PROJECT, Ledger
from tests.web.serving import Served
from worker.catalogue.lane_catalogue import Fields
from worker.catalogue.lookup import LookedUp, Shelf

PLACE = {"project_key": PROJECT, "work_item_type_key": "story"}
# As people call them in a Chinese space.
CHINESE_NAMES = {"field_a1b2c3": "发布说明", "priority": "优先级", "field_0c9d1e": "备注", "field_d4e5f6": "截止日期"}


@dataclass(frozen=True, slots=True)
class ByHand:
    served: Served
    client: FeishuBatch
    ledger: Ledger
    redis: Redis

    def name_fields(self, names=None):
        fields = tuple(
            one
            if one.key not in (names or {})
            else type(one)(one.key, names[one.key], one.alias, one.type_key, one.options)
            for one in demo_catalogue().by_key.values()
        )
        shelf = Shelf(self.redis, self.ledger.lane.keys.catalogue, TypeAdapter(LookedUp[Fields]))
        shelf.put({f"{PROJECT} story": LookedUp(fields, time.time())})

    def put(self, items, field="field_a1b2c3", value="x", **more):
        return self.client.enqueue(
            **PLACE, update_mode="UPDATE", work_item_ids=list(items), field_key=field, after_field_value=value, **more
        )

    def put_table(self, items, change_set, note=None, field="field_a1b2c3", **more):
        """Each item gets a value of its own."""
        return self.put_cells({item: {field: f"the value of {item}"} for item in items}, change_set, note, **more)

    def put_cells(self, table, change_set, note=None, **more):
        return self.client.enqueue_table(
            table, change_set=change_set, note=note, **PLACE, **{"skip_unchanged": False, **more}
        )
