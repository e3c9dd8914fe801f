"""The fields of a table's columns, as the credentials of the lanes can look them up."""

from collections.abc import Callable, Mapping

from feishu_batch.intents import is_real_project_key
from worker.catalogue.gate import FIELD_KEY, CatalogueGate
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.catalogue.models import Catalogue, RefusedError, UnavailableError, shown
from worker.importing.wide.fields import Fields, KnownFields, Place, PlaceError, UnansweredError, UnknownFields


def fields_of_lanes(lanes: Mapping[str, LaneCatalogue], route: Callable[[str | None, str], str]) -> Fields:
    """`route` names the lane of a space, or raises ValueError."""

    def catalogue_of(place: Place) -> Catalogue:
        try:
            project_key = _project_key(lanes, place.space)
            lane = lanes.get(route(None, project_key))
            if lane is None:
                raise LookupError("the lane of the space sends no requests")
            found, _ = lane.fields(project_key, place.type_key)
        except RefusedError as error:
            raise PlaceError(error.refusal.reason) from None
        except UnavailableError as error:
            raise (UnansweredError if error.is_unanswered else LookupError)(str(error)) from None
        except ValueError as error:
            raise PlaceError(str(error)) from None
        return found

    return KnownFields(catalogue_of, CatalogueGate(lanes, route).check)


def fields_without_catalogue() -> Fields:
    """For FEISHU_BATCH_CATALOGUE=off: columns are keys."""
    return UnknownFields("FEISHU_BATCH_CATALOGUE is off", FIELD_KEY.fullmatch)


def _project_key(lanes: Mapping[str, LaneCatalogue], space: str) -> str:
    if is_real_project_key(space):
        return space
    found = (lane.project_key(space) for lane in lanes.values())
    if (key := next(filter(None, found), None)) is None:
        raise PlaceError(f"no space with the simple name {shown(space)} is visible to the plugin; give its project key")
    return key
