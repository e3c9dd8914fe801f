import re
from dataclasses import replace

import pytest

from worker.ledger import lane as lane_module
from worker.ledger import record_calls, scripts, single_route
from worker.ledger.lane import Lane
from worker.ledger.routes import BATCH, SINGLE


@pytest.fixture
def lane(redis, prefix):
    return Lane(redis, prefix, "lane")


@pytest.fixture
def record_of(redis, lane):
    return lambda number: redis.hgetall(lane.keys.named(f"intent:{number}"))


FEW = 4  # items of a batch
FEW_FIELDS = 3  # of a single update


@pytest.fixture
def small_and_countable(monkeypatch):
    """Batches of 4 and chunks of 3, so that a short history fills many of them; a clock that ticks once per step, so that a
    history happens twice in the same way."""
    whole = scripts.script_text

    def changed(name):
        if "lane" not in scripts.parts_of(name):
            return whole(name)
        text = whole(name).replace(f"local ROUTE_ITEMS = {BATCH.items}\n", f"local ROUTE_ITEMS = {FEW}\n")
        text = text.replace("local MOST_OVERWRITTEN = 100 ", "local MOST_OVERWRITTEN = 2 ")
        text = text.replace("local OVERTAKEN_PLACES = 5 ", "local OVERTAKEN_PLACES = 2 ")
        real = "local NOW, WALL = math.floor(ledger_us / 1000), math.floor(wall_us / 1000)"
        ticking = text.replace(real, "local NOW = 1000000000000 + redis.call('INCR', P .. 'ticks')\nlocal WALL = NOW")
        assert ticking != text
        assert not re.search(r"local (ROUTE_ITEMS = 50|MOST_OVERWRITTEN = 100|OVERTAKEN_PLACES = 5)\b", ticking)
        return ticking

    monkeypatch.setattr(scripts, "script_text", changed)
    monkeypatch.setattr(lane_module, "END_CHUNK", 3)
    monkeypatch.setattr(record_calls, "RECORD_CHUNK", 3)


@pytest.fixture
def countable_singles(small_and_countable, monkeypatch):
    """The same, with single updates of 3 fields, groups that are sorted two at a time, and this time (ms) until a group is quiet."""
    whole = scripts.script_text

    def of(quiet):
        constants = {
            "QUIET = 300 ": quiet,
            "MOST_SORTED = 100 ": 2,
            "BUSY_FOR, BLOCKED_FOR = 100, 1000 ": "0, 0",
            "URGENT, PATIENCE = 5, 2000 ": "10, 2000",
        }

        def changed(name):
            text = whole(name)
            for constant, value in constants.items():
                text = text.replace(f"local {constant}", f"local {constant.partition('=')[0]}= {value} ")
            assert not any(f"local {constant}" in text for constant in constants)
            return text

        monkeypatch.setattr(scripts, "script_text", changed)
        monkeypatch.setattr(single_route, "SINGLE", replace(SINGLE, items=FEW_FIELDS))

    return of
