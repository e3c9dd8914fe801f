"""Which of several beats ticks, and how soon another one does. The server is real; the beats are of this process."""

import time
from datetime import timedelta

import pytest
from celery import Celery

from config.schedule import beat_schedule
from config.settings import load_settings
from worker.beat import Beat

HOLDS = 3.0  # seconds


@pytest.fixture
def new_beat(redis_url, prefix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {"REDIS_URL": redis_url, "KEY_PREFIX": prefix, "PLUGIN_ID": "p", "PLUGIN_SECRET": "s"}.items():
        monkeypatch.setenv(f"FEISHU_BATCH_{name}", value)
    monkeypatch.setenv("FEISHU_BATCH_USER_KEY", "u")
    apps = []

    def make():
        app = Celery(f"beat-{len(apps)}", broker="memory://", set_as_current=False)
        app.conf.beat_schedule = beat_schedule(load_settings())
        apps.append(app)
        return Beat(app, lazy=True)

    yield make
    for app in apps:
        app.close()


def test_the_second_of_two_looks_every_second_and_when_the_lock_of_the_first_runs_out(new_beat, redis):
    first, second = new_beat(), new_beat()
    assert first.tick() <= HOLDS / 3
    assert second.tick() == pytest.approx(HOLDS / 3)
    redis.pexpire(first.lock.name, 200)
    wait = second.tick()
    assert wait < 0.25
    time.sleep(wait)
    second.tick()
    assert second.lock.owned()
    assert first.tick() == pytest.approx(HOLDS / 3)
    assert not first.lock.owned()


def test_after_an_orderly_end_the_next_one_ticks_at_once(new_beat):
    first, second = new_beat(), new_beat()
    first.tick()
    second.tick()
    first.close()
    second.tick()
    assert second.lock.owned()


def test_an_entry_that_ran_in_the_future_is_due_now(new_beat):
    """That is what a last run looks like after the clock was set back; RedBeat alone would wait until then."""
    beat = new_beat()
    beat.tick()
    now = beat.app.now()
    names = list(beat.app.conf.beat_schedule)
    assert names
    for name in names:
        entry = beat.Entry(name, task="t", schedule=beat.app.conf.beat_schedule[name]["schedule"], app=beat.app)
        entry.reschedule(now + timedelta(hours=1))
    read = [beat.Entry.from_key(beat.Entry.generate_key(beat.app, name), app=beat.app) for name in names]
    assert [one.last_run_at for one in read] == [None] * len(names)
