"""Where the data about failures and later intents comes from, for a command or the page."""

from collections.abc import Callable

from worker.ledger.reads.intent_log import IntentLog
from worker.ledger.records import GroupSpec
from worker.operating.meanings import Meaning, Meanings, as_written
from worker.operating.retry.reader import RetryReader
from worker.operating.session import Session


def retry_reader(session: Session) -> RetryReader:
    return RetryReader(session.reads, history_of(session), meaning_of(session))


def key_in(session: Session) -> Callable[[GroupSpec, str], str | None]:
    """The key of the field that a word means in the item type of a spec, by the workers' latest look-ups."""
    names = Meanings(session.redis, session.lane_keys())
    return lambda spec, word: names.field_key(spec.project_key, spec.work_item_type_key, word)


def history_of(session: Session) -> IntentLog:
    return IntentLog(session.redis, session.settings.key_prefix, tuple(session.lanes))


def meaning_of(session: Session) -> Meaning:
    if session.settings.catalogue == "off":
        return as_written
    return Meanings(session.redis, session.lane_keys()).meaning
