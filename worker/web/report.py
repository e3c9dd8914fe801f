"""What failed of a change set as a file to download, by the code of `feishu-batch failures --set ID --report FILE`."""

import re
from pathlib import Path
from shutil import rmtree
from typing import Final

from worker.importing.report_file import write_report
from worker.importing.set_report import failure_rows
from worker.operating.meanings import Meanings
from worker.operating.session import Session

FORMATS: Final = ("csv", "xlsx")
_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]+")


def write_failures(session: Session, change_set: str, path: Path) -> None:
    """Raises `WrongUseError` for an unknown set, OSError."""
    names = Meanings(session.redis, session.lane_keys())
    write_report(path, failure_rows(session, change_set, names.field_name))


def report_name(change_set: str, kind: str) -> str:
    return f"failures-{_ODD.sub('-', change_set)}.{kind}"


def remove_report(path: Path) -> None:
    rmtree(path.parent, ignore_errors=True)
