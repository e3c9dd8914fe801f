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
_WAY_ON = "If that is what you want, give it a new --import-id."


@dataclass(frozen=True, slots=True)
class Rows:
    """Of the file: those whose intents the ledger knows, and those that an import would write; of these, `again` were certainly
    written before. `is_same`: some row certainly was. Rows that are read otherwise (another sheet or time zone) have other ids.
    """

    known: int
    new: int
    again: int
    is_same: bool


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

    rows = count_rows(source, digests, logged, until_known=not is_old)
    at = moment(settings, logged.first_at)
    if not source.id_is_of_content:
        return _of_name(at, rows) if rows.again else None
    if not is_forgotten(logged, rows, is_old=is_old):
        return None
    gone = min(logged.rows - rows.known, rows.new)  # other sheets of the file may have enqueued more
    return (
        f"this file was imported on {at}, and {some(gone, 'intent')} of it {_are(gone)}"
        f" forgotten; importing it again would write {some(rows.new, 'row')} again, over what came later. {_WAY_ON}"
    )


def _of_name(at: str, rows: Rows) -> str:
    return (
        f"rows of it were imported with this --import-id since {at}, and their intents are forgotten; importing it again would write"
        f" {some(rows.new, 'row')}, at least {rows.again} of them again, over what came later. {_WAY_ON}"
    )


def count_rows(
    source: Source, digests: Callable[[Iterable[str]], list[str | None]], logged: LoggedImport, *, until_known: bool
) -> Rows:
    """`until_known`: one known row is enough to know that nothing was forgotten yet."""
    known = new = again = same = 0
    with Journal() as journal:
        for part in sort_rows(source.rows(), digests, journal):
            known += len(part.known)
            new += len(part.enqueued)
            again += sum(logged.certainly_wrote(row.intent.intent_id) for row in part.enqueued)
            same += sum(logged.certainly_wrote(row.intent.intent_id) for row in part.known)
            if known and until_known:
                break
    return Rows(known, new, again, bool(again or same))


def is_forgotten(logged: LoggedImport, rows: Rows, *, is_old: bool) -> bool:
    """Of a file whose import id stands for its content. `is_old`: it is older than the shortest time for which intents are kept.

    A younger one that is not known at all was forgotten, too, by workers that keep intents for a shorter time.
    """
    if not rows.new or not rows.is_same:
        return False
    return rows.known < logged.rows if is_old else not rows.known


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
