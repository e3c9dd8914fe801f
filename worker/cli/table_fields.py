"""How a command looks up the columns of a table: in Feishu Project, else in what the workers have looked up before."""

from collections.abc import Callable

from config.errors import ConfigError
from feishu_batch.intents import UpdateIntent
from worker.catalogue.models import Catalogue
from worker.importing.wide.fields import Fields, KnownFields, Place, UnknownFields
from worker.importing.wide.lookup import fields_of_lanes, fields_without_catalogue
from worker.operating.errors import UnreachableError
from worker.operating.meanings import Meanings
from worker.operating.session import Session, open_session
from worker.reading.field_lookup import open_field_lookup


def table_fields() -> Fields:
    """Opens what it needs. Raises nothing: without a look-up, columns are read conservatively."""
    try:
        session = open_session()
    except UnreachableError as error:
        return UnknownFields(str(error))
    if session.settings.catalogue == "off":
        return fields_without_catalogue()
    try:
        catalogues = open_field_lookup(session)
    except ConfigError as error:
        return KnownFields(_looked_up_before(session, str(error)), _as_it_is)
    return fields_of_lanes(catalogues.lanes, catalogues.configured.route)


def _looked_up_before(session: Session, reason: str) -> Callable[[Place], Catalogue]:
    known = Meanings(session.redis, session.lane_keys())

    def catalogue_of(place: Place) -> Catalogue:
        found = known.catalogue(place.space, place.type_key)
        if found is None:
            raise LookupError(reason)
        return found

    return catalogue_of


def _as_it_is(intent: UpdateIntent) -> UpdateIntent:
    return intent
