"""The whole product with a file of schedules whose entries are due every second."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack

INTENT = """
[schedule.intent]
project_key = "5f0c1a2b3c4d5e6f70818283"
work_item_type_key = "story"
work_item_ids = [{item}]
field_key = "priority"
update_mode = "UPDATE"
after_field_value = {{ value = "option_1" }}
"""
EVERY_SECOND = '[[schedule]]\nname = "{name}"\nevery = "1s"\noverlap = "{overlap}"\n'
PRINTING = (
    "import json; [print(json.dumps(dict(project_key='5f0c1a2b3c4d5e6f70818283', work_item_type_key='story',"
    " work_item_ids=[item], field_key='priority', update_mode='UPDATE', after_field_value=dict(value='option_0'))))"
    " for item in (1004, 1005)]"
)


def file_of_schedules(directory: Path) -> Path:
    path = directory / "schedule.toml"
    skipping = EVERY_SECOND.format(name="skipping", overlap="skip") + INTENT.format(item=1001)
    queueing = EVERY_SECOND.format(name="queueing", overlap="queue") + INTENT.format(item=1002)
    command = f'[[schedule]]\nname = "printing"\nevery = "2s"\ncommand = [{sys.executable!r}, "-c", """{PRINTING}"""]\n'
    path.write_text(f"{skipping}\n{queueing}\n{command}")
    return path


@pytest.fixture(scope="package")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("schedules")
    with Stack(directory, schedule_file=file_of_schedules(directory)) as stack:
        yield stack


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    """No setting in the environment, and no file of ours in the working directory."""
    for name in [name for name in os.environ if name.startswith("FEISHU_BATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
