"""Reads the schedule file; its errors name the entry, the field and the line."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from config.errors import ConfigError
from config.fields import ENV_PREFIX
from config.schedules.entries import ScheduleEntry
from config.settings import Settings
from feishu_batch.wording import plainly

DEFAULT_FILE: Final = Path("config/schedule.toml")
MOST_ENTRIES: Final = 200
_HEADING: Final = re.compile(r"^\s*\[\[\s*schedule\s*\]\]", re.MULTILINE)
_VARIABLE: Final = f"{ENV_PREFIX}SCHEDULE_FILE"


def schedule_file(settings: Settings) -> Path | None:
    """The file of the setting; without it, config/schedule.toml in the working directory, if that exists."""
    if settings.schedule_file is not None:
        return settings.schedule_file.absolute()
    return DEFAULT_FILE.absolute() if DEFAULT_FILE.is_file() else None


def load_schedules(settings: Settings) -> tuple[ScheduleEntry, ...]:
    """Entries in the order of the file; relative paths are relative to its directory. Raises `ConfigError`."""
    path = schedule_file(settings)
    if path is None:
        return ()
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    tables, lines = _tables(path, content), _lines(text)
    entries = tuple(_entry(path, place, table, content, lines) for place, table in enumerate(tables))
    _refuse_twins(path, entries, lines)
    return entries


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_VARIABLE}: {path} cannot be read ({type(error).__name__}).") from None


def _tables(path: Path, content: dict[str, Any]) -> list[dict[str, Any]]:
    unknown = sorted(content.keys() - {"schedule", "timezone"})
    if unknown:
        raise ConfigError(f"{path}: {unknown[0]!r} is not known there; an entry begins with a line [[schedule]].")
    tables = content.get("schedule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{path}: an entry begins with a line [[schedule]], with two brackets.")
    if len(tables) > MOST_ENTRIES:
        raise ConfigError(f"{path}: has {len(tables)} entries; at most {MOST_ENTRIES} are allowed.")
    return tables


def _lines(text: str) -> list[int]:
    return [text.count("\n", 0, match.start() + len(match[0])) + 1 for match in _HEADING.finditer(text)]


def _entry(path: Path, place: int, table: dict[str, Any], content: dict[str, Any], lines: list[int]) -> ScheduleEntry:
    zone = {"timezone": content["timezone"]} if "timezone" in content else {}
    try:
        entry = ScheduleEntry.model_validate({**zone, **table})
    except ValidationError as error:
        where = _where(path, place, table.get("name"), lines)
        raise ConfigError(f"{where}: {'; '.join(_problems(error))}.") from None
    return entry.model_copy(update=_places(path.parent, entry))


def _places(origin: Path, entry: ScheduleEntry) -> dict[str, Path]:
    if entry.file:
        return {"file": origin / entry.file}
    return {"directory": origin / (entry.directory or "")} if entry.command else {}


def _where(path: Path, place: int, name: object, lines: list[int]) -> str:
    which = f"schedule {name!r}" if isinstance(name, str) and name else f"schedule number {place + 1}"
    line = f" (line {lines[place]})" if place < len(lines) else ""
    return f"{path}: {which}{line}"


def _problems(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_input=False)
    return [_problem(".".join(map(str, one["loc"])), one) for one in found]


def _problem(where: str, problem: Mapping[str, Any]) -> str:
    what = _unknown_key(where) if problem["type"] == "extra_forbidden" else plainly(problem).rstrip(".")
    return f"{where}: {what}" if where else what


def _unknown_key(key: str) -> str:
    close = get_close_matches(key, ScheduleEntry.model_fields, 1)
    there = f"did you mean {close[0]}" if close else f"allowed are {', '.join(ScheduleEntry.model_fields)}"
    return f"is not known; {there}"


def _refuse_twins(path: Path, entries: tuple[ScheduleEntry, ...], lines: list[int]) -> None:
    seen: set[str] = set()
    for place, entry in enumerate(entries):
        if entry.name in seen:
            raise ConfigError(f"{_where(path, place, entry.name, lines)}: another entry already has this name.")
        seen.add(entry.name)
