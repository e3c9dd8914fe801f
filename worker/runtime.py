"""The composition root: all objects of a worker process, built once from the settings and passed on."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from celery import Celery
from redis import Redis

from config.lanes import LaneConfig, load_lanes
from config.lookups import time_zone
from config.proxy import ignored_variable
from config.settings import Settings
from feishu_batch.intents import UpdateIntent
from worker.catalogue.build import gate, lane_catalogue
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.catalogue.lane_reading import LaneReading, read_slot
from worker.catalogue.single_types import single_kind
from worker.connections import connect
from worker.decisions import Policy
from worker.ledger.inbox import Inbox
from worker.ledger.keys import LaneKeys
from worker.ledger.lane import Lane
from worker.ledger.request_counts import RequestCounts
from worker.ledger.routes import BATCH, SINGLE
from worker.ledger.shown_tasks import ShownTasks
from worker.ledger.token_store import RedisTokenStore
from worker.pacing.shared import Pacer
from worker.pipeline.access_probe import AccessProbe
from worker.pipeline.blame import Blame
from worker.pipeline.carry_out import LaneSteps
from worker.pipeline.daily_requests import DailyRequests
from worker.pipeline.follow import HOLD, DueBatches
from worker.pipeline.hints import IntakeHints, LaneHints
from worker.pipeline.intake import Intake
from worker.pipeline.intake_refusals import IntakeLane
from worker.pipeline.look_ahead import PATIENCE, LookAhead
from worker.pipeline.monitored import Monitored
from worker.pipeline.parking import Parking, ParkingLane
from worker.pipeline.poll import JobPoller
from worker.pipeline.progress import ProgressReports, announce
from worker.pipeline.publish import Publisher
from worker.pipeline.read_back import ReadBack
from worker.pipeline.request_look import RequestLook
from worker.pipeline.send import Sender
from worker.pipeline.set_ends import SetEnds
from worker.pipeline.single_checks import SingleChecks
from worker.pipeline.single_updates import SingleUpdates
from worker.pipeline.submit import Submitter
from worker.pipeline.sweep import LaneSweep, Sweep
from worker.pipeline.task_events import TaskEvents
from worker.remote.client import RemoteClient
from worker.remote.codes import error_table
from worker.remote.tokens import TokenSource
from worker.remote.transport import HttpTransport
from worker.tracing import Traces, Tracing, tracing_of

DAY = 86_400.0  # seconds
VERIFY_SHARE = {"unknown": 0.0, "all": 1.0}


@dataclass(frozen=True, slots=True)
class RemoteRuntime:
    """The objects that talk to the remote system for one credential."""

    submitter: Submitter
    poller: JobPoller
    read_back: ReadBack
    look_ahead: LookAhead
    singles: SingleUpdates | None  # None: the settings have the route off
    single_checks: SingleChecks
    catalogue: LaneCatalogue


@dataclass(frozen=True, slots=True)
class LaneRuntime:
    """The objects for one credential. `remote`: None for a refused lane; its intents are still kept, ended and published."""

    lane: Lane
    hints: LaneHints
    publisher: Publisher
    progress: ProgressReports
    sweep: LaneSweep
    remote: RemoteRuntime | None


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: Settings
    redis: Redis
    inbox: Inbox
    hints: IntakeHints
    intake: Intake
    parking: Parking
    sweep: Sweep
    lanes: Mapping[str, LaneRuntime]
    route: Callable[[str | None, str], str]


def policy_from(settings: Settings) -> Policy:
    return Policy(
        max_attempts=settings.max_attempts,
        backoff=settings.backoff_seconds,
        backoff_max=settings.backoff_max_seconds,
        grace=settings.grace_seconds,
        read_back=settings.read_back_seconds,
        not_exist=settings.not_exist_seconds,
        reads_behind=settings.reads_behind_seconds,
        job_timeout=settings.job_timeout_seconds,
        final_words=frozenset(settings.final_job_statuses),
        not_exist_words=frozenset(settings.not_exist_statuses),
    )


def remote_from(lane: LaneConfig, settings: Settings, redis: Redis | None = None) -> RemoteClient:
    """`redis`: where its requests are counted; None: nowhere."""
    counts = request_counts(redis, settings, lane.name) if redis else None
    verify = str(settings.ca_file) if settings.ca_file else True
    return RemoteClient(
        HttpTransport(
            lane.base_url,
            settings.http_timeout_seconds,
            verify,
            proxy=lane.proxy,
            ignored_proxy=ignored_variable(os.environ),
        ),
        plugin_id=lane.plugin_id,
        plugin_secret=lane.plugin_secret,
        user_key=lane.user_key,
        table=error_table(settings.error_classes, settings.transient_texts),
        token_type=lane.plugin_token_type,
        extra_headers=settings.user_rights_headers if settings.enforce_user_rights else None,
        missing_item_codes=settings.missing_item_codes,
        on_request=counts.note if counts else lambda _kind: None,
    )


def request_counts(redis: Redis, settings: Settings, lane: str) -> RequestCounts:
    return RequestCounts(redis, LaneKeys(settings.key_prefix, lane), time_zone(settings.time_zone))


def build_runtime(settings: Settings, app: Celery) -> Runtime:
    """Raises `ConfigError` when credentials or Redis are not set. Opens no connection yet."""
    redis = connect(settings, founds=True)
    inbox = Inbox(redis, settings.key_prefix)
    hints = IntakeHints(app, inbox)
    configured = load_lanes(settings)
    tracing = tracing_of(settings, os.environ)
    care = partial(_lane_runtime, settings, app, redis, inbox, tracing)
    lanes = {lane.name: care(lane.name, lane, configured.sharing(lane.name)) for lane in configured.lanes}
    for refused in configured.refused:
        lanes[refused.name] = care(refused.name, None, ())
    return Runtime(
        settings=settings,
        redis=redis,
        inbox=inbox,
        hints=hints,
        intake=Intake(
            inbox=inbox,
            hints=hints,
            route=configured.route,
            lanes={name: IntakeLane(lane.lane, lane.hints) for name, lane in lanes.items()},
            lease=settings.lease_seconds,
            single_kind=partial(_single_kind, lanes),
            check=gate(
                settings,
                {name: lane.remote.catalogue for name, lane in lanes.items() if lane.remote},
                configured.route,
                {lane.name for lane in configured.refused},
            ),
        ),
        parking=Parking(
            inbox,
            {name: ParkingLane(lane.lane, lane.hints, lane.progress) for name, lane in lanes.items()},
            partial(announce, app, redis, settings.key_prefix),
        ),
        sweep=Sweep(
            inbox,
            hints,
            [lane.sweep for lane in lanes.values()],
            SetEnds(app, redis, inbox),
            retain_failed=settings.retain_failed_days * DAY,
            monitored=Monitored(
                redis,
                settings.key_prefix,
                ShownTasks(redis, settings.key_prefix, list(lanes)),
                TaskEvents(app),
            ),
        ),
        lanes=lanes,
        route=configured.route,
    )


def _single_kind(lanes: Mapping[str, LaneRuntime], lane: str, intent: UpdateIntent) -> str:
    remote = lanes[lane].remote
    return single_kind(intent, remote.catalogue.known_type(intent)) if remote else ""


def _lane_runtime(
    settings: Settings,
    app: Celery,
    redis: Redis,
    inbox: Inbox,
    tracing: Tracing,
    name: str,
    config: LaneConfig | None,
    sharing: tuple[str, ...],
) -> LaneRuntime:
    """`config`: None for a lane that is refused."""
    traces = tracing.of_lane(redis, settings.key_prefix, name)
    lane = Lane(redis, settings.key_prefix, name)
    hints = LaneHints(app, lane, has_singles=settings.single_updates_per_second > 0)
    publisher = Publisher(app, redis, settings.key_prefix, inbox, lane, hints, traces)
    progress = ProgressReports(app, redis, settings.key_prefix, lane, publisher.store)
    return LaneRuntime(
        lane=lane,
        hints=hints,
        publisher=publisher,
        progress=progress,
        sweep=LaneSweep(
            inbox=inbox,
            lane=lane,
            hints=hints,
            retain_succeeded=settings.retain_finished_days * DAY,
            retain_failed=settings.retain_failed_days * DAY,
            singles=(settings.single_updates_per_second, settings.single_items_alone),
            requests=DailyRequests(lane, request_counts(redis, settings, name), settings.daily_requests),
        ),
        remote=_remote_runtime(config, sharing, settings, redis, lane, hints, progress, traces) if config else None,
    )


def _remote_runtime(
    config: LaneConfig,
    sharing: tuple[str, ...],
    settings: Settings,
    redis: Redis,
    lane: Lane,
    hints: LaneHints,
    progress: ProgressReports,
    traces: Traces,
) -> RemoteRuntime:
    remote = remote_from(config, settings, redis)
    pacer = Pacer(redis, lane, sharing, settings.key_prefix)
    tokens = TokenSource(
        remote,
        RedisTokenStore(redis, pacer.token_keys, config.fingerprint),
        renew_early=settings.token_renew_early_seconds,
    )
    read_slots = pacer.slots("read", 1 / settings.read_slots_per_second)
    blame = Blame(lane, config.user_key, AccessProbe(remote, tokens, read_slots))
    reading = LaneReading(lane, tokens, pacer, read_slot(settings.read_slots_per_second))
    policy, hold = policy_from(settings), min(HOLD, settings.lease_seconds)
    following = LaneSteps(lane, tokens, policy, "poll")
    due = DueBatches(lane, following, hints, progress, hold=hold)
    return RemoteRuntime(
        submitter=_submitter(lane, hints, remote, tokens, settings, pacer, blame, reading, traces),
        poller=JobPoller(
            lane=lane,
            slots=pacer.slots("poll", settings.effective_poll_slot_seconds, hold=hold),
            remote=remote,
            steps=following,
            due=due,
            hints=hints,
            policy=policy,
            verify_share=VERIFY_SHARE.get(settings.verify, settings.verify_share),
            traces=traces,
        ),
        read_back=ReadBack(
            lane=lane,
            slots=pacer.slots("read", 1 / settings.read_slots_per_second),
            remote=remote,
            steps=following,
            due=due,
            hints=hints,
            blame=blame,
            policy=policy,
            traces=traces,
        ),
        look_ahead=LookAhead(
            lane=lane,
            remote=remote,
            reading=reading,
            hints=hints,
            progress=progress,
            hold=settings.http_timeout_seconds + 2 * PATIENCE,
        ),
        singles=_single_updates(lane, hints, remote, tokens, settings, pacer, reading, progress, traces),
        single_checks=SingleChecks(
            lane=lane, remote=remote, reading=reading, steps=following, due=due, hints=hints, policy=policy, hold=hold
        ),
        catalogue=lane_catalogue(lane, remote, tokens, settings, redis, pacer, on_stopped=blame.look_up_refused),
    )


def _single_updates(
    lane: Lane,
    hints: LaneHints,
    remote: RemoteClient,
    tokens: TokenSource,
    settings: Settings,
    pacer: Pacer,
    reading: LaneReading,
    progress: ProgressReports,
    traces: Traces,
) -> SingleUpdates | None:
    if not settings.single_updates_per_second:
        return None
    policy = policy_from(settings)
    return SingleUpdates(
        lane=lane,
        slots=pacer.slots(SINGLE.endpoint, 1 / settings.single_updates_per_second, hold=0.0),
        remote=remote,
        steps=LaneSteps(lane, tokens, policy, "submit"),
        hints=hints,
        look=_request_look(lane, remote, reading, policy, settings),
        progress=progress,
        policy=policy,
        lease=settings.lease_seconds,
        heartbeat=settings.heartbeat_seconds,
        longest=settings.http_timeout_seconds + 1,
        max_wait=settings.max_wait_seconds,
        traces=traces,
    )


def _request_look(
    lane: Lane, remote: RemoteClient, reading: LaneReading, policy: Policy, settings: Settings
) -> RequestLook:
    slots = reading.slots("read")()
    return RequestLook(lane, remote, reading.sender_of(slots, PATIENCE), slots, policy, settings.missing_item_codes)


def _submitter(
    lane: Lane,
    hints: LaneHints,
    remote: RemoteClient,
    tokens: TokenSource,
    settings: Settings,
    pacer: Pacer,
    blame: Blame,
    reading: LaneReading,
    traces: Traces,
) -> Submitter:
    slots, policy = pacer.slots(BATCH.endpoint, settings.slot_seconds), policy_from(settings)
    steps = LaneSteps(lane, tokens, policy, "submit")
    lease, heartbeat = settings.lease_seconds, settings.heartbeat_seconds
    return Submitter(
        lane=lane,
        slots=slots,
        sender=Sender(lane, slots, remote, steps, lease=lease, heartbeat=heartbeat),
        steps=steps,
        hints=hints,
        blame=blame,
        look=_request_look(lane, remote, reading, policy, settings),
        policy=policy,
        lease=lease,
        max_open=settings.max_open_jobs,
        max_wait=settings.max_wait_seconds,
        uuid_survives_token=settings.idempotency_survives_token,
        traces=traces,
    )
