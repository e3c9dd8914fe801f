"""Uploaded tables: the files, kept for a while, and what the page does with one. Plan and import are the commands themselves, as a process
of their own: the same code, with its memory and its credentials apart from the page.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from typing import Annotated, Any, Final, Literal

from anyio.to_thread import run_sync
from pydantic import Field
from redis.exceptions import RedisError

from config.settings import Settings, as_environment
from worker.importing.columns import ImportFileError
from worker.importing.table import Hidden, Table
from worker.importing.wide.options import TableOptions
from worker.importing.wide.preview import preview
from worker.web.orders import Order
from worker.web.refusals import OrderRefusedError

KEPT: Final = 5  # files; the oldest is removed for a new one
LONGEST_RUN: Final = 240.0  # seconds of a command; browsers give up soon after
SHOWN: Final = 100  # cells of a diff, and reasons
ENDINGS: Final = (".csv", ".xlsx", ".jsonl")
COMMAND: Final = (sys.executable, "-P", "-m", "worker.cli.main")
GOOD: Final = (0, 1)  # exit codes with a document that is no error
_UNDO: Final = re.compile(r"undo\d*-")  # what the id of a set that puts back begins with
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]+")
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class ReadOrder(Order):
    """How to read a file, by the options of the commands."""

    upload: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    sheet: Text | None = None
    encoding: Literal["gb18030"] | None = None
    hidden: Literal["include", "skip"] | None = None
    id_column: Text | None = None


class TableOrder(ReadOrder):
    """`fields`: column → field. `again`: how many imports of the file there were that this one does not belong to."""

    space: Text | None = None
    type_key: Text | None = None
    empty: Literal["skip", "clear"] | None = None
    fields: Annotated[dict[Text, Text], Field(max_length=1000, default_factory=dict)]
    ignore: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    append: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    again: Annotated[int, Field(ge=0, le=999)] = 0

    def options(self) -> list[str]:
        """Each as one word, so that none is mistaken for another."""
        given = {
            "--sheet": self.sheet,
            "--encoding": self.encoding,
            "--hidden": self.hidden,
            "--id-column": self.id_column,
            "--space": self.space,
            "--type": self.type_key,
            "--empty": self.empty,
        }
        return [
            *(f"{name}={value}" for name, value in given.items() if value),
            *(f"--field={column}={name}" for column, name in self.fields.items()),
            *(f"--ignore={column}" for column in self.ignore),
            *(f"--append={column}" for column in self.append),
        ]


@dataclass(slots=True)
class Uploads:
    """One command runs at a time. The files are removed with this process's directory, or when newer ones come and nothing reads them.
    `known_sets`: ids of change sets.
    """

    settings: Settings
    known_sets: Callable[[], Sequence[str]] = tuple
    _folder: Path | None = None
    _running: asyncio.Lock = field(default_factory=asyncio.Lock)
    _files: threading.Lock = field(
        default_factory=threading.Lock
    )  # held to add or remove some, and to begin or end reading one
    _read: Counter[str] = field(default_factory=Counter)  # upload → how many read it now

    def keep(self, name: str, content: bytes) -> str:
        """Returns the id of the upload: of its content and kind, so that the same file is the same upload, whatever its name. The first name
        stays.
        """
        ending = Path(name).suffix.lower()
        if ending not in ENDINGS:
            raise OrderRefusedError(400, "error.no_table", endings=", ".join(ENDINGS))
        upload = blake2b(content, digest_size=8, person=ending.encode()).hexdigest()
        with self._files:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="feishu-batch-uploads-"))
            place = self._folder / upload
            if place.is_dir():
                os.utime(place)
            else:
                self._make_room()
                place.mkdir(mode=0o700)
                (place / _file_name(name)).write_bytes(content)
        return upload

    def _make_room(self) -> None:
        unread = [one for one in self._all() if not self._read[one.name]]
        for old in unread[: max(0, len(self._all()) - KEPT + 1)]:
            rmtree(old, ignore_errors=True)

    def _all(self) -> list[Path]:
        """The oldest first."""
        return sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime) if self._folder else []

    @contextmanager
    def _reading(self, upload: str) -> Iterator[Path]:
        """Its file, which stays until the end."""
        with self._files:
            folder = self._folder / upload if self._folder else None
            if folder is None or not folder.is_dir():
                raise OrderRefusedError(404, "error.no_upload")
            self._read[upload] += 1
        try:
            [path] = folder.iterdir()
            yield path
        finally:
            with self._files:
                self._read[upload] -= 1

    def columns(self, order: ReadOrder) -> dict[str, Any]:
        """What is to be matched with fields; of a file of field changes, nothing."""
        table = Table(
            order.sheet,
            encoding=order.encoding,
            hidden=Hidden(order.hidden) if order.hidden else None,
            as_table=TableOptions(id_column=order.id_column),
        )
        try:
            with self._reading(order.upload) as path:
                found = preview(path, table)
        except ImportFileError as error:
            raise OrderRefusedError(400, "error.other", why=str(error)) from None
        return {
            "is_table": found is not None,
            "columns": found.columns if found else [],
            "has_place": found is None or found.has_place,
        }

    async def plan(self, order: TableOrder) -> dict[str, Any]:
        """Old and new of every cell. Writes nothing."""
        found = await self._run("plan", order, "--diff")
        diff = found["diff"]
        return {
            **_of_file(found),
            "diff": {**diff, "listed": diff["listed"][:SHOWN], "reasons": diff["reasons"][:SHOWN]},
            "forgotten": found["forgotten"],
        }

    async def import_it(self, order: TableOrder) -> dict[str, Any]:
        """Enqueues what was not enqueued before: under the same id, each row once. It can be undone."""
        return _of_file(await self._run("import", order, "--keep-before"))

    def import_id(self, order: TableOrder, path: Path) -> str:
        """The change set's id: by the file's content, and another one for each time that it is imported again; with the name that the file had
        when it was imported first.
        """
        end = f"-{order.upload}" + (f".{order.again + 1}" if order.again else "")
        known: str | None = None
        with suppress(RedisError):  # then the command says so
            known = next((one for one in self.known_sets() if one.endswith(end) and not _UNDO.match(one)), None)
        return known or f"{_ODD.sub('-', path.stem).strip('-')[:40] or 'table'}{end}"

    async def _run(self, command: str, order: TableOrder, *more: str) -> dict[str, Any]:
        if self._running.locked():
            raise OrderRefusedError(429, "error.upload_busy")
        async with self._running:
            with self._reading(order.upload) as path:
                import_id = await run_sync(self.import_id, order, path)
                return await self._run_on(path, command, f"--import-id={import_id}", *more, *order.options())

    async def _run_on(self, path: Path, command: str, *options: str) -> dict[str, Any]:
        argv = [*COMMAND, command, "--json", *options, "--", str(path)]
        code, output = await _output_of(argv, {**os.environ, **as_environment(self.settings)})
        try:
            found: dict[str, Any] = json.loads(output.replace(str(path), path.name))
        except ValueError:
            raise OrderRefusedError(503, "error.command_failed", command=command) from None
        if code not in GOOD:
            raise OrderRefusedError(400, "error.other", why=str(found.get("error")))
        return found

    def remove_all(self) -> None:
        if self._folder:
            rmtree(self._folder, ignore_errors=True)


async def _output_of(argv: Sequence[str], environment: dict[str, str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LONGEST_RUN)
    except TimeoutError:
        raise OrderRefusedError(503, "error.command_slow", seconds=f"{LONGEST_RUN:.0f}") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, output.decode("utf-8", "replace")


def _file_name(name: str) -> str:
    """The last part of a name, without anything that a file system or a command would take for more."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(one for one in last if one.isprintable() and one not in ':*?"<>|').lstrip("-. ")
    stem, ending = Path(kept).stem.encode()[:150].decode(errors="ignore"), Path(name).suffix.lower()
    return f"{stem or 'table'}{ending}"


def _of_file(found: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of the document of a command."""
    names = ("import_id", "rows", "enqueued", "known", "repeated", "rejected_count", "table", "clears_count")
    return {**{name: found[name] for name in names}, "rejected_groups": found["rejected_groups"][:SHOWN]}
