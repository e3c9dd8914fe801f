"""The look-ups with one lane's credential: fields of an item type, people by address or key, spaces by simple name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TypeVar

from pydantic import TypeAdapter
from redis import Redis

from config.lookups import LookupSettings, time_zone
from feishu_batch.intents import UpdateIntent
from worker.catalogue.checks import Checks
from worker.catalogue.lookup import LookedUp, Lookup, Shelf
from worker.catalogue.models import Catalogue, Code, RefusedError, UnavailableError, shown
from worker.catalogue.naming import type_hint
from worker.catalogue.queries import BackgroundQueries, QuerySender
from worker.catalogue.unresolved import is_surely_user_key
from worker.ledger.keys import LaneKeys
from worker.remote.client import MAX_PEOPLE_PER_QUERY, RemoteClient
from worker.remote.errors import RemoteError, SpaceRefused
from worker.remote.models import Field
from worker.writing.people import may_be_rounded

T = TypeVar("T")

Fields = tuple[Field, ...]
MOST_TYPES = 200  # item types whose checks one process keeps
NO_FIELDS = "the remote system returns no fields for this item type"


@dataclass(frozen=True, slots=True)
class _Checked:
    """The checks for one fetched list of fields."""

    known: LookedUp[Fields]
    checks: Checks


class LaneCatalogue:
    """`keys`: the lane's. `late`: seconds for which an answer that is late is waited for before anything is refused for it."""

    def __init__(
        self,
        *,
        remote: RemoteClient,
        sender: QuerySender,
        queries: BackgroundQueries,
        settings: LookupSettings,
        redis: Redis,
        keys: LaneKeys,
        late: float = 0.0,
    ) -> None:
        self._late = late
        self._remote = remote
        self._sender = sender
        self._redis = redis
        self._settings = settings
        self._queries = queries
        self._zone = time_zone(settings.time_zone)
        known_fields, known_key = TypeAdapter(LookedUp[Fields]), TypeAdapter(LookedUp[str])
        self._fields = self._lookup("fields", self._fetch_fields, known_fields, keys.catalogue)
        self._people = self._lookup("people", self._fetch_people, known_key, lambda name: keys.person(_hash(name)))
        self._spaces = self._lookup("spaces", self._fetch_spaces, known_key, keys.space)
        self._checks: dict[str, _Checked] = {}

    def checked(self, intent: UpdateIntent) -> UpdateIntent:
        """The intent in the API's form. Raises `RefusedError`, and `UnavailableError` if it cannot be checked now.

        A refusal always uses a fresh look-up: the field may have changed since the cached one.
        """
        name = _type_name(intent.project_key, intent.work_item_type_key)
        try:
            return self._checks_for(name, self._known(name)).checked(intent)
        except RefusedError as error:
            newer = self._looked_up_copied(name, error)
        return self._checks_for(name, newer).checked(intent)

    def known_type(self, intent: UpdateIntent) -> str | None:
        """The type of the field of a checked intent, without asking."""
        kept = self._checks.get(_type_name(intent.project_key, intent.work_item_type_key))
        return kept.checks.type_of(intent.field_key) if kept else None

    def late_answer_came(self) -> bool:
        """Waits a while for look-ups that still run. Whether there were some, and all have their answer."""
        return self._queries.await_running(self._late)

    def _looked_up_copied(self, name: str, refused: RefusedError) -> LookedUp[Fields]:
        try:
            return _existing(self._fields.newer(name, self._settings.catalogue_recheck_seconds))
        except UnavailableError as error:
            if not refused.is_name:
                raise
            reason = f"{refused.refusal.reason}; whether that has changed cannot be looked up now ({error})"
            reason = f"{reason}: {error.way_out('another')}"
            raise RefusedError(Code.CANNOT_RESOLVE, reason, is_name=True) from None

    def project_key(self, simple_name: str) -> str | None:
        """None: this credential sees no such space."""
        known = self._spaces.get(simple_name)
        return known.value if known else None

    def fields(self, project_key: str, type_key: str, *, age: float | None = None) -> tuple[Catalogue, float]:
        """All fields of a type and when they were looked up (unix seconds), at most `age` seconds ago. Raises `UnavailableError`."""
        name = _type_name(project_key, type_key)
        known = self._known(name) if age is None else _existing(self._fields.newer(name, age))
        return Catalogue(known.value), known.at

    def _known(self, name: str) -> LookedUp[Fields]:
        return _existing(self._fields.get(name))

    def _checks_for(self, name: str, known: LookedUp[Fields]) -> Checks:
        kept = self._checks.get(name)
        if kept is None or kept.known is not known:
            if len(self._checks) > MOST_TYPES:
                self._checks.clear()
            kept = _Checked(known, Checks(Catalogue(known.value), self._keys_of, self._zone))
            self._checks[name] = kept
        return kept.checks

    def _keys_of(self, words: Sequence[str]) -> Mapping[str, str]:
        """The user keys of e-mail addresses and user keys. While look-ups are impossible, certain keys pass."""
        try:
            found = self._people.get_all(words)
        except UnavailableError as error:
            if (doubtful := next((word for word in words if not is_surely_user_key(word)), None)) is None:
                return {word: word for word in words}
            what = (
                f"whose e-mail address {shown(doubtful)} is" if "@" in doubtful else f"whose key {shown(doubtful)} is"
            )
            reason = f"{what} cannot be looked up ({error}): {error.way_out('the user key')}"
            raise RefusedError(Code.CANNOT_RESOLVE, reason, is_name=True) from None
        if missing := next((word for word in words if word not in found), None):
            raise RefusedError(Code.UNKNOWN_PERSON, _no_person(missing), is_name=True)
        return {word: found[word].value for word in words}

    def emails_of(self, user_keys: Sequence[str]) -> Mapping[str, str]:
        """The addresses of those that exist and have one. Raises `UnavailableError` or a `RemoteError`."""
        people = [
            person
            for part in _parts(user_keys)
            for person in self._sender.ask(partial(self._remote.people_of_keys, part), may_stop=False)
        ]
        return {person.user_key: person.email for person in people if person.email}

    # --- requests to the remote system----------------------------------------------------------------------------

    def _fetch_fields(self, names: Sequence[str]) -> Mapping[str, Fields]:
        """An answer without any field is treated as no answer."""
        found: dict[str, Fields] = {}
        for name in names:
            project_key, _, type_key = name.partition(" ")
            try:
                fields = self._sender.ask(partial(self._remote.fields, project_key, type_key))
            except SpaceRefused as error:
                raise self._no_such_type(project_key, type_key) or error from None
            if fields:
                found[name] = tuple(fields)
        return found

    def _no_such_type(self, project_key: str, type_key: str) -> RefusedError | None:
        """Two answers must agree before a type is refused: its fields were refused, and the space does not list it."""
        try:
            hint = type_hint(type_key, self._sender.ask(partial(self._remote.all_types, project_key)))
        except (RemoteError, UnavailableError):
            return None
        return (
            RefusedError(Code.UNKNOWN_TYPE, f"the space has no item type {shown(type_key)}. {hint}") if hint else None
        )

    def _fetch_people(self, words: Sequence[str]) -> Mapping[str, str]:
        emails, keys = [word for word in words if "@" in word], [word for word in words if "@" not in word]
        key_of: dict[str, str] = {}
        # "No such user" may be about one of the requested users; trouble with the lane's own user shows elsewhere.
        for part in _parts(emails):
            people = self._sender.ask(partial(self._remote.people, part), may_stop=False)
            key_of |= {person.email.casefold(): person.user_key for person in people}
        found = {email: key_of[email.casefold()] for email in emails if email.casefold() in key_of}
        for part in _parts(keys):
            people = self._sender.ask(partial(self._remote.people_of_keys, part), may_stop=False)
            found |= {person.user_key: person.user_key for person in people if person.user_key in part}
        return found

    def _fetch_spaces(self, names: Sequence[str]) -> Mapping[str, str]:
        projects = self._sender.ask(partial(self._remote.projects_detail, (), list(names)))
        key_of = {project.simple_name: project.project_key for project in projects}
        return {name: key_of[name] for name in names if name in key_of}

    def _lookup(
        self,
        kind: str,
        fetch: Callable[[Sequence[str]], Mapping[str, T]],
        shape: TypeAdapter[LookedUp[T]],
        key: Callable[[str], str],
    ) -> Lookup[T]:
        return Lookup(
            kind=kind,
            fetch=fetch,
            shelf=Shelf(self._redis, key, shape),
            queries=self._queries,
            fresh=self._settings.catalogue_fresh_seconds,
            absent=self._settings.catalogue_recheck_seconds,
        )


def _existing(known: LookedUp[Fields] | None) -> LookedUp[Fields]:
    if known is None:
        raise UnavailableError(NO_FIELDS)
    return known


def _parts(words: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(words), MAX_PEOPLE_PER_QUERY):
        yield words[start : start + MAX_PEOPLE_PER_QUERY]


def _no_person(word: str) -> str:
    if "@" in word:
        return f"no user has the e-mail address {shown(word)}"
    rounded = (
        " It looks like a number that a spreadsheet has rounded: format the column as text."
        if may_be_rounded(word)
        else ""
    )
    return f"no user has the key {shown(word)}; give the user key or the e-mail address.{rounded}"


def _type_name(project_key: str, type_key: str) -> str:
    return f"{project_key} {type_key}"


def _hash(email: str) -> str:
    """The ledger stores only a hash of an address, for privacy."""
    return blake2b(email.casefold().encode("utf-8", "replace"), digest_size=12).hexdigest()
