"""What `feishu-batch plan` and `import` say of wrong files and rows: their own words, on samples. Part of docs/generate.py."""  # noqa: INP001 - a script

import contextlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from click.testing import CliRunner

from worker.cli.main import cli

HEADER = "project_key,work_item_type_key,work_item_ids,field_key,update_mode,before_field_value,after_field_value,priority,expires_at"
GOOD = {
    "project_key": "demo",
    "work_item_type_key": "story",
    "work_item_ids": "1001",
    "field_key": "Release note",
    "update_mode": "UPDATE",
    "before_field_value": "",
    "after_field_value": "text",
    "priority": "",
    "expires_at": "",
}
# What is wrong → the columns that differ from a good row.
ROWS: dict[str, dict[str, str]] = {
    "no item": {"work_item_ids": ""},
    "an id with digit groups": {"work_item_ids": '"1,120"'},
    "an id with a leading zero": {"work_item_ids": "0125"},
    "an id that is a word": {"work_item_ids": "story-7"},
    "the same item twice": {"work_item_ids": "1001 1001"},
    "no field": {"field_key": ""},
    "another mode": {"update_mode": "SET"},
    "REPLACE without the value to replace": {"update_mode": "REPLACE"},
    "a priority out of range": {"priority": "10"},
    "a time without its offset": {"expires_at": "2030-01-31 18:00"},
    "a space's key in capitals": {"project_key": "5F0C1A2B3C4D5E6F70818283"},
}
# What is wrong → a file's name and content.
FILES: dict[str, tuple[str, bytes]] = {
    "another encoding": ("changes.csv", f"{HEADER}\ndemo,story,1001,标题,UPDATE,,你好,,\n".encode("gb18030")),
    "nothing in it": ("changes.csv", b""),
    "a workbook of the old kind": ("changes.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600),
    "a web page": ("changes.csv", b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n"),
    "a name that says no format": ("changes.dat", HEADER.encode() + b"\n"),
}


def rejections() -> tuple[dict[str, str], dict[str, str]]:
    """What is wrong → the message: of files as a whole, and of rows."""
    runner = CliRunner()
    with TemporaryDirectory() as directory, contextlib.chdir(directory):
        files = {what: _of_file(runner, name, content) for what, (name, content) in FILES.items()}
        lines = [",".join({**GOOD, **changed}.values()) for changed in ROWS.values()]
        Path("changes.csv").write_text("\n".join((HEADER, *lines)), encoding="utf-8")
        answer = json.loads(runner.invoke(cli, ["plan", "changes.csv", "--json"]).stdout)
    by_line = {one["line"]: one["reason"] for one in answer["rejected"]}
    return files, {what: by_line[line] for line, what in enumerate(ROWS, start=2)}


def _of_file(runner: CliRunner, name: str, content: bytes) -> str:
    Path(name).write_bytes(content)
    answer = runner.invoke(cli, ["plan", name])
    return answer.stderr.strip().removeprefix(f"feishu-batch: {name}: ")
