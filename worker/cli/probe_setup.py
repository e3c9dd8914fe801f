"""What `feishu-batch probe` needs before its first request: the place, the lane's credentials and slots, and a lane at rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from config.lanes import LaneConfig
from config.settings import Settings
from worker.catalogue.models import RefusedError, UnavailableError
from worker.catalogue.naming import field_called
from worker.ledger.lane import Lane
from worker.ledger.routes import BATCH
from worker.ledger.token_store import RedisTokenStore
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.probing.originals import Originals, originals
from worker.operating.probing.place import TYPES, ProbePlace, TrialField, trial_field
from worker.operating.probing.sender import ProbeSender, ProbeSlots
from worker.operating.session import Session
from worker.pacing.shared import Pacer
from worker.processes.belonging import remote_of
from worker.reading.field_lookup import FieldLookup, open_field_lookup
from worker.remote.errors import RemoteError
from worker.remote.tokens import TokenSource
from worker.runtime import remote_from

CLIENTS: Final = 6  # each with its own connections, for requests at the same time
KEPT_OUT: Final = 30.0  # seconds without a batch of the workers, from each write on
_ENDS: Final = "Nothing was sent."


@dataclass(frozen=True, slots=True)
class ProbeSetup:
    """`space`: as the user wrote it. `host`: of the remote system. `sharing`: the lanes of the same plugin, this one among them."""

    space: str
    host: str
    lane: Lane
    sharing: Sequence[Lane]
    sender: ProbeSender
    before: Originals

    @property
    def place(self) -> ProbePlace:
        return self.sender.place


def set_up(session: Session, space: str, type_key: str, items: tuple[int, ...], names: tuple[str, ...]) -> ProbeSetup:
    """Looks fields up and reads the items; writes nothing. `names`: of one or two fields."""
    lookup = open_field_lookup(session)
    project_key = lookup.project_key(space)
    lane = session.lanes[lookup.lane_name(project_key)]
    [config] = [one for one in lookup.configured.lanes if one.name == lane.name]
    sharing = [session.lanes[name] for name in lookup.configured.sharing(lane.name)]
    for one in sharing:
        refuse_busy(one)
    fields = _trial_fields(lookup, lane.name, project_key, type_key, names)
    place = ProbePlace(project_key, type_key, items, fields)
    sender = _sender(session, config, lane, sharing, place)
    try:
        before = originals(items, sender.read(items), fields)
    except RemoteError as error:
        raise UnreachableError(f"the work items cannot be read: {error}. {_ENDS}") from None
    if not before.items:
        whys = "; ".join(f"{item}: {why}" for item, why in before.left_out.items())
        raise WrongUseError(f"none of the work items can be used: {whys}. {_ENDS}")
    sender.place = ProbePlace(project_key, type_key, before.items, fields)
    return ProbeSetup(space, remote_of(config).host, lane, sharing, sender, before)


def refuse_busy(lane: Lane) -> None:
    """The probe sends too fast on purpose, and the remote system counts by the plugin: work of the lane would be refused, too."""
    if lane.paused() is not None:
        raise WrongUseError(f"the lane {lane.name} is paused; run: feishu-batch resume. {_ENDS}")
    counts = lane.counts()
    if any((counts.sending, counts.owned_cells, counts.open_jobs, counts.due_batches, counts.checks)):
        raise WrongUseError(
            f"the lane {lane.name} has work: a probe sends too fast on purpose, and would slow it down. Wait until it has ended "
            f"(feishu-batch status). {_ENDS}"
        )


def _trial_fields(
    lookup: FieldLookup, lane: str, project_key: str, type_key: str, names: tuple[str, ...]
) -> tuple[TrialField, ...]:
    try:
        catalogue, _ = lookup.lanes[lane].fields(project_key, type_key)
        found = [field_called(catalogue, name) for name in names]
    except RefusedError as error:
        raise WrongUseError(f"{error.refusal.reason}. {_ENDS}") from None
    except UnavailableError as error:
        raise UnreachableError(f"the fields of {type_key} cannot be looked up: {error}. {_ENDS}") from None
    if len({one.key for one in found}) < len(found):
        raise WrongUseError(f"--field and --field2 name the same field. {_ENDS}")
    fields = [trial_field(one) for one in found]
    for one, usable in zip(found, fields, strict=True):
        if usable is None:
            raise WrongUseError(
                f"{one.name or one.key} ({one.type_key}) cannot be used: choose a field that can be changed, of the types "
                f"{', '.join(TYPES)}, with two options or more. {_ENDS}"
            )
    return tuple(one for one in fields if one)


def _sender(
    session: Session, config: LaneConfig, lane: Lane, sharing: Sequence[Lane], place: ProbePlace
) -> ProbeSender:
    settings = session.settings
    pacer = Pacer(session.redis, lane, tuple(one.name for one in sharing), settings.key_prefix)
    clients = [remote_from(config, settings, session.redis) for _ in range(CLIENTS)]
    store = RedisTokenStore(session.redis, pacer.token_keys, config.fingerprint)
    return ProbeSender(
        clients=clients,
        tokens=TokenSource(clients[0], store, renew_early=settings.token_renew_early_seconds),
        slots=_slots(pacer, settings),
        place=place,
        keep_out=partial(_keep_out, sharing),
    )


def _keep_out(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.hold(KEPT_OUT)


def _slots(pacer: Pacer, settings: Settings) -> ProbeSlots:
    return ProbeSlots(
        submit=pacer.slots(BATCH.endpoint, settings.slot_seconds),
        poll=pacer.slots("poll", settings.effective_poll_slot_seconds),
        read=pacer.slots("read", 1 / settings.read_slots_per_second),
    )
