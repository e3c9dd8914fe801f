"""Moments of cron lines and intervals; the time is an argument."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schedules import Times

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def told(moment, zone="UTC"):
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M")


def following(times, moment, count):
    found = []
    for _ in range(count):
        moment = times.next(moment)
        found.append(moment)
    return found


def test_working_days_at_nine_in_shanghai():
    times = Times(SHANGHAI, cron="0 9 * * MON-FRI")
    friday = at("2026-11-20 09:00", SHANGHAI)
    assert told(friday) == "Fri 2026-11-20 01:00"
    assert times.latest(friday) == friday
    assert times.latest(friday - 1) == at("2026-11-19 09:00", SHANGHAI)
    assert times.next(friday) == at("2026-11-23 09:00", SHANGHAI)


def test_a_day_of_the_month_and_of_the_week_have_to_fit_both():
    times = Times("UTC", cron="0 0 1-7 * MON")
    assert told(times.next(at("2026-11-24 00:00"))) == "Mon 2026-12-07 00:00"


def test_the_29th_of_february_comes():
    assert told(Times("UTC", cron="0 0 29 2 *").next(at("2026-01-01 00:00"))) == "Tue 2028-02-29 00:00"
    assert told(Times("UTC", cron="0 0 29 2 *").next(at("2097-01-01 00:00"))) == "Fri 2104-02-29 00:00"


def test_a_time_that_the_clocks_skip_comes_an_hour_later_and_one_that_comes_twice_counts_once():
    nightly = Times(BERLIN, cron="30 2 * * *")
    spring = following(nightly, at("2026-03-28 12:00", BERLIN), 2)
    assert [told(one, BERLIN) for one in spring] == ["Sun 2026-03-29 03:30", "Mon 2026-03-30 02:30"]
    autumn = following(nightly, at("2026-10-24 12:00", BERLIN), 2)
    assert [told(one) for one in autumn] == ["Sun 2026-10-25 00:30", "Mon 2026-10-26 01:30"]


def test_an_entry_of_every_hour_runs_every_hour_also_when_the_clocks_change():
    hourly = Times(BERLIN, cron="0 * * * *")
    for day in ("2026-03-29", "2026-10-25"):
        moments = following(hourly, at(f"{day} 00:00"), 6)
        assert {later - earlier for earlier, later in pairwise(moments)} == {3600.0}


def test_an_interval_is_counted_in_utc():
    times = Times(SHANGHAI, every="15m")
    assert times.latest(at("2026-11-24 09:44")) == at("2026-11-24 09:30")
    assert times.next(at("2026-11-24 09:30")) == at("2026-11-24 09:45")
    assert told(Times("UTC", every="1d").next(at("2026-11-24 09:30"))) == "Wed 2026-11-25 00:00"


@given(
    now=st.floats(0, 4e9),
    times=st.builds(
        Times,
        zone=st.sampled_from(["UTC", SHANGHAI, BERLIN, "America/New_York", "Australia/Lord_Howe"]),
        cron=st.sampled_from(
            ["*/5 * * * *", "0 9 * * MON-FRI", "30 2 * * *", "0 0 1 1 *", "59 23 31 * *", "15 1-3 * * 0"]
        ),
    )
    | st.builds(Times, zone=st.just("UTC"), every=st.sampled_from(["1s", "15m", "7h", "1d"])),
)
def test_now_lies_between_the_latest_and_the_next_and_these_are_neighbours(now, times):
    latest, following_one = times.latest(now), times.next(now)
    assert latest <= now < following_one
    assert times.next(latest) == following_one
    assert times.latest(following_one) == following_one


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("0 9 * *", "has 4 fields"),
        ("60 9 * * *", "'60' is not a valid minute"),
        ("0 x * * *", "'x' is not a valid hour"),
        ("0 9 * * 7", "'7' is not a valid day of the week"),
        ("0 9 32 * *", "'32' is not a valid day of the month"),
        ("0 9 * 0 *", "'0' is not a valid month"),
        ("0 0 30 2 *", "is a day that never occurs"),
        ("0 0 29 2 8", "is not a valid day of the week"),
        ("*/0 * * * *", "'*/0' is not a valid minute"),
    ],
)
def test_what_is_no_cron_line_is_reported_by_its_field(line, complaint):
    with pytest.raises(ValueError, match="^.*" + complaint.replace("*", r"\*")):
        Times("UTC", cron=line).check()


@pytest.mark.parametrize("every", ["", "0s", "15", "-1m", "1.5h", "400d", "1w", "90000000s"])
def test_what_is_no_interval_is_refused(every):
    with pytest.raises(ValueError, match=r"must"):
        Times("UTC", every=every).check() if every else Times("UTC", every="x").check()


def test_the_definition_names_the_moments():
    assert Times(SHANGHAI, every="5m").definition == Times("UTC", every="5m").definition
    assert Times(SHANGHAI, cron="0 9 * * *").definition != Times("UTC", cron="0 9 * * *").definition
    assert datetime.fromtimestamp(Times("UTC", every="1s").next(0.5), UTC).second == 1
