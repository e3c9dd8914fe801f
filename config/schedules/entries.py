"""One entry of the schedule file."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from config.file_formats import FORMAT_OF_ENDING
from config.schedules.times import Times
from feishu_batch import IntentError, UpdateIntent, parse_intent
from feishu_batch.intents import BULK_PRIORITY

DEFAULT_TIMEOUT: Final = "5m"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_TIMEOUT: Final = re.compile(r"([1-9][0-9]{0,3})([smh])")
_TIMEOUT_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}
_OF_FILE: Final = ("format", "sheet", "encoding", "hidden", "header_row")
_OF_TABLE: Final = (
    "empty",
    "space",
    "type",
    "id_column",
    "fields",
    "ignore",
    "append",
    "skip_unchanged",
    "keep_before",
)
_WORKS: Final = ("intent", "file", "command")


class Overlap(StrEnum):
    """What happens with a run that is due while the previous one has not ended."""

    SKIP = "skip"
    QUEUE = "queue"  # it waits; at most one


class Missed(StrEnum):
    """What happens with a run whose time passed while no worker was running."""

    RUN = "run"  # once, for any number of missed runs
    SKIP = "skip"


class ScheduleEntry(BaseModel):
    """The work (exactly one of `intent`, `file`, `command`), and the times (exactly one of `cron`, `every`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    cron: str | None = None
    every: str | None = None
    timezone: str = "UTC"
    intent: UpdateIntent | None = None
    file: Path | None = None
    format: Literal["csv", "jsonl", "xlsx"] | None = None
    sheet: str | None = None
    encoding: str | None = None
    hidden: Literal["include", "skip", "reject"] | None = None
    empty: Literal["clear", "skip", "reject"] | None = None
    header_row: Annotated[int, Field(ge=1)] | None = None
    # Of a table: as the options of `import` of these names.
    space: str | None = None
    type: str | None = None
    id_column: str | None = None
    fields: dict[str, str] = {}
    ignore: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    skip_unchanged: bool | None = None
    keep_before: bool = False
    command: tuple[str, ...] | None = None
    directory: Path | None = None  # where the command runs; default: the directory of the schedule file
    timeout: str = DEFAULT_TIMEOUT  # of the command
    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.RUN

    @property
    def times(self) -> Times:
        return Times(self.timezone, self.cron, self.every)

    @property
    def timeout_seconds(self) -> float:
        match = _TIMEOUT.fullmatch(self.timeout)
        if not match:
            raise ValueError('must look like "90s", "5m" or "2h"')
        return timedelta(**{_TIMEOUT_UNITS[match[2]]: int(match[1])}).total_seconds()

    @property
    def in_words(self) -> str:
        return f"every {self.every}" if self.every else f"{self.cron} ({self.timezone})"

    @field_validator("name")
    @classmethod
    def _short_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError('must look like "nightly-file": lower-case letters, digits, - and _, at most 40')
        return name

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
            raise ValueError(f"{zone!r} is not a time zone; write it like Asia/Shanghai") from None
        return zone

    @field_validator("intent", mode="before")
    @classmethod
    def _intent(cls, content: Any) -> UpdateIntent:
        if not isinstance(content, dict):
            raise ValueError("must be a table: [schedule.intent]")  # noqa: TRY004 - pydantic collects ValueErrors only
        if "intent_id" in content:
            raise ValueError("intent_id: leave it out; every run gets a new one")
        try:
            return parse_intent({"priority": BULK_PRIORITY, **content})
        except IntentError as error:
            raise ValueError("; ".join(str(error).splitlines())) from None

    @field_validator("command", mode="before")
    @classmethod
    def _program(cls, argv: Any) -> Any:
        is_list = isinstance(argv, list | tuple) and all(isinstance(word, str) and "\0" not in word for word in argv)
        if not is_list or not argv or not argv[0]:
            raise ValueError('must be a list: the program and its arguments, like ["python3", "changes.py"]')
        return argv

    @field_validator("timeout")
    @classmethod
    def _duration(cls, timeout: str) -> str:
        if not _TIMEOUT.fullmatch(timeout):
            raise ValueError('must look like "90s", "5m" or "2h"')
        return timeout

    @field_validator("cron", "every")
    @classmethod
    def _readable(cls, given: str, info: ValidationInfo) -> str:
        Times("UTC", **{str(info.field_name): given}).check()
        return given

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError('needs exactly one of cron = "0 9 * * MON-FRI" and every = "15m"')
        given = [name for name in _WORKS if getattr(self, name) is not None]
        if len(given) != 1:
            has = f"has {' and '.join(given)}; " if given else ""
            raise ValueError(f"{has}needs exactly one of [schedule.intent], file and command")
        of_file = [name for name in _OF_FILE if getattr(self, name)]
        if of_file and not self.file:
            raise ValueError(f"{of_file[0]} is only for a file; a command prints JSON Lines")
        of_table = [name for name in _OF_TABLE if getattr(self, name)]
        if of_table and self.intent:
            raise ValueError(f"{of_table[0]} is only for a file or a command")
        if self.file and not self.format and self.file.suffix.lower() not in FORMAT_OF_ENDING:
            raise ValueError(
                f'the format of {self.file} is not clear from its extension; give format = "csv", jsonl or xlsx'
            )
        if (self.timeout != DEFAULT_TIMEOUT or self.directory) and not self.command:
            raise ValueError("timeout and directory are only for a command")
        return self
