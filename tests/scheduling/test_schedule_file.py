"""The file of schedules: what it may say, and how what is wrong is told."""

import re

import pytest

from config.errors import ConfigError
from config.schedules import Overlap, load_schedules, schedule_file
from config.settings import Settings
from tests.scheduling.pages_of_schedules import EXAMPLE, uncommented

INTENT = """
[schedule.intent]
project_key = "5f0c1a2b3c4d5e6f70818283"
work_item_type_key = "story"
work_item_ids = [1001]
field_key = "priority"
update_mode = "UPDATE"
after_field_value = { value = "option_0" }
"""
GOOD = '[[schedule]]\nname = "good"\nevery = "15m"\nfile = "wishes.csv"\n'


@pytest.fixture
def load(tmp_path):
    def entries(text):
        path = tmp_path / "schedule.toml"
        path.write_text(text)
        return load_schedules(Settings(schedule_file=path))

    return entries


def test_all_that_an_entry_may_say(load, tmp_path):
    first, second, third = load(
        'timezone = "Asia/Shanghai"\n'
        f'[[schedule]]\nname = "a"\ncron = "0 9 * * MON-FRI"\noverlap = "queue"\nmissed = "skip"\n{INTENT}'
        '[[schedule]]\nname = "b"\nevery = "1d"\ntimezone = "Europe/Berlin"\nfile = "in/wishes.txt"\nformat = "csv"\n'
        '[[schedule]]\nname = "c"\nevery = "1h"\ncommand = ["./wishes", "--all"]\ntimeout = "2h"\ndirectory = "bin"\n'
    )
    assert (first.times.zone, first.overlap, first.intent.work_item_ids) == ("Asia/Shanghai", Overlap.QUEUE, (1001,))
    assert (second.timezone, second.file, second.format) == ("Europe/Berlin", tmp_path / "in/wishes.txt", "csv")
    assert (third.command, third.timeout_seconds) == (("./wishes", "--all"), 7200)
    assert third.directory == tmp_path / "bin"


WRONG = {
    "unknown key": (GOOD + 'evry = "1m"\n', "evry: is not known; did you mean every."),
    "strange key": (GOOD + 'colour = "red"\n', "colour: is not known; allowed are name, cron, every, timezone, intent"),
    "unknown table": ("[shedule]\n", "'shedule' is not known there; an entry begins with a line [[schedule]]"),
    "one bracket": ('[schedule]\nname = "x"\n', "with two brackets"),
    "no time": ('[[schedule]]\nname = "good"\nfile = "x.csv"\n', "needs exactly one of cron = "),
    "two times": (GOOD + 'cron = "0 9 * * *"\n', "needs exactly one of cron = "),
    "no work": (
        '[[schedule]]\nname = "good"\nevery = "15m"\n',
        "needs exactly one of [schedule.intent], file and command",
    ),
    "two works": (GOOD + 'command = ["x"]\n', "has file and command; needs exactly one"),
    "bad cron": (GOOD.replace('every = "15m"', 'cron = "0 25 * * *"'), "cron: '25' is not a valid hour"),
    "bad interval": (GOOD.replace("15m", "15"), 'every: must look like "30s"'),
    "bad zone": (GOOD + 'timezone = "Asia/Beijing"\n', "timezone: 'Asia/Beijing' is not a time zone"),
    "bad overlap": (GOOD + 'overlap = "pile"\n', "overlap: must be 'skip' or 'queue'"),
    "bad name": (GOOD.replace('"good"', '"Good day"'), 'name: must look like "nightly-file"'),
    "shell": (
        GOOD.replace('file = "wishes.csv"', 'command = "echo"'),
        "command: must be a list: the program and its arguments",
    ),
    "empty command": (GOOD.replace('file = "wishes.csv"', "command = []"), "command: must be a list"),
    "number as argument": (GOOD.replace('file = "wishes.csv"', 'command = ["x", 1]'), "command: must be a list"),
    "sheet without a file": (
        GOOD.replace('file = "wishes.csv"', 'command = ["x"]\nsheet = "Plan"'),
        "sheet is only for a file",
    ),
    "format of a file": (
        GOOD.replace("wishes.csv", "wishes.txt"),
        "the format of wishes.txt is not clear from its extension",
    ),
    "timeout of a file": (GOOD + 'timeout = "1m"\n', "timeout and directory are only for a command"),
    "bad timeout": (GOOD.replace('file = "wishes.csv"', 'command = ["x"]\ntimeout = "1"'), "timeout: must look like"),
    "bad intent": (
        GOOD.replace('file = "wishes.csv"', INTENT.replace("UPDATE", "SET")),
        "intent: update_mode: must be",
    ),
    "own id": (GOOD.replace('file = "wishes.csv"', INTENT + 'intent_id = "x"'), "intent: intent_id: leave it out"),
}


@pytest.mark.parametrize(("text", "complaint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_sentence(load, text, complaint):
    with pytest.raises(ConfigError) as raised:
        load(text)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_it_names_the_entry_and_its_line(load):
    with pytest.raises(ConfigError, match=re.escape("schedule.toml: schedule 'bad' (line 6): every: must look like")):
        load(f'# nothing\n{GOOD}[[schedule]]\nname = "bad"\nevery = "x"\nfile = "x.csv"\n')
    with pytest.raises(ConfigError, match=re.escape("schedule number 2 (line 5): name: is missing")):
        load(f'{GOOD}[[schedule]]\nevery = "1m"\nfile = "x.csv"\n')
    with pytest.raises(ConfigError, match=re.escape("schedule 'good' (line 5): another entry already has this name")):
        load(GOOD + GOOD)


def test_what_is_no_toml_or_not_there_is_reported(load, tmp_path):
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 1"):
        load("[[schedule\n")
    with pytest.raises(ConfigError, match=r"FEISHU_BATCH_SCHEDULE_FILE: .*cannot be read \(FileNotFoundError\)"):
        load_schedules(Settings(schedule_file=tmp_path / "nowhere.toml"))


def test_without_the_setting_the_file_of_the_working_directory_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert schedule_file(Settings()) is None
    assert load_schedules(Settings()) == ()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/schedule.toml").write_text(GOOD)
    assert [entry.name for entry in load_schedules(Settings())] == ["good"]


def test_the_example_asks_for_nothing_and_is_successful_formed_without_its_marks(load):
    assert load(EXAMPLE.read_text()) == ()
    assert [entry.name for entry in load(uncommented())] == ["open-the-day", "nightly-file", "from-our-tracker"]
