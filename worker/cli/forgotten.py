"""Whether a file was imported before and its intents are forgotten, so that importing it again would write it all again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from worker.cli.local_times import moment
from worker.importing.enqueue_rows import sort_rows
from worker.importing.journal import Journal
from worker.importing.source import Source
from worker.ledger.import_log import ImportLog, LoggedImport
from worker.operating.errors import WrongUseError
from worker.operating.session import Session
from worker.wording import some

DAY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Rows:
    """Of the file: those whose intents the ledger knows, and those that an import would write."""

    known: int
    new: int


def import_log(session: Session) -> ImportLog:
    settings = session.settings
    return ImportLog(session.redis, settings.key_prefix, settings.retain_imports_days * DAY)


def refuse_if_forgotten(session: Session, source: Source) -> None:
    """Raises WrongUseError before anything is enqueued."""
    if why := forgotten(session, source):
        raise WrongUseError(f"{source.name}: {why} Nothing was enqueued.")


def forgotten(session: Session, source: Source) -> str | None:
    """In sentences, what an import of this file would do again. None: nothing, as far as the ledger remembers."""
    logged = import_log(session).find(source.import_id)
    if logged is None or not logged.rows:
        return None
    settings = session.settings
    is_old = logged.age > min(settings.retain_finished_days, settings.retain_failed_days) * DAY
    if not is_old and not source.id_is_of_content:
        return None  # another file under a name of the user's own

    def digests(ids: Iterable[str]) -> list[str | None]:
        return [entry.digest if entry else None for entry in session.reads.entries(list(ids))]

    rows = count_rows(source, digests, until_known=not is_old)
    if not is_forgotten(logged, rows, is_old=is_old):
        return None
    at = moment(settings, logged.first_at)
    return (
        f"this file was imported on {at}, and {some(logged.rows - rows.known, 'intent')} of it {_are(logged.rows - rows.known)}"
        f" forgotten; importing it again would write {some(rows.new, 'row')} again, over what came later."
        " If that is what you want, give it a new --import-id."
    )


def count_rows(source: Source, digests: Callable[[Iterable[str]], list[str | None]], *, until_known: bool) -> Rows:
    """`until_known`: one known row is enough to know that nothing was forgotten yet."""
    known = new = 0
    with Journal() as journal:
        for part in sort_rows(source.rows(), digests, journal):
            known += len(part.known)
            new += len(part.enqueued)
            if known and until_known:
                break
    return Rows(known, new)


def is_forgotten(logged: LoggedImport, rows: Rows, *, is_old: bool) -> bool:
    """`is_old`: it is older than the shortest time for which intents are kept.

    A younger one that is not known at all was forgotten, too, by workers that keep intents for a shorter time.
    """
    return bool(rows.new) and (rows.known < logged.rows if is_old else not rows.known)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
