"""The composition root: everything a worker process works with, built once from the settings and passed on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from celery import Celery
from redis import Redis

from config.lanes import LaneConfig, load_lanes
from config.proxy import ignored_variable
from config.settings import Settings
from worker.catalogue.build import gate, lane_catalogue
from worker.catalogue.lane import LaneCatalogue
from worker.connections import connect
from worker.ledger.front import Front
from worker.ledger.lane import Lane
from worker.ledger.token_store import RedisTokenStore
from worker.outcomes import Policy
from worker.pacing.shared import Pacer
from worker.pipeline.blame import Blame
from worker.pipeline.follow import HOLD, Follower
from worker.pipeline.hints import IntakeHints, LaneHints
from worker.pipeline.intake import Intake, LaneDoor
from worker.pipeline.parking import Parking, ParkingLane
from worker.pipeline.probe import Probe
from worker.pipeline.progress import ProgressReports, announce
from worker.pipeline.publish import Publisher
from worker.pipeline.submit import Submitter
from worker.pipeline.sweep import LaneSweep, Sweep
from worker.remote.client import RemoteClient
from worker.remote.codes import error_table
from worker.remote.tokens import TokenSource
from worker.remote.transport import Transport
from worker.tracing import Traces, Tracing, tracing_of

DAY = 86_400.0  # seconds
VERIFY_SHARE = {"unknown": 0.0, "all": 1.0}


@dataclass(frozen=True, slots=True)
class LaneRuntime:
    """What serves one credential."""

    lane: Lane
    hints: LaneHints
    submitter: Submitter
    follower: Follower
    publisher: Publisher
    progress: ProgressReports
    sweep: LaneSweep
    catalogue: LaneCatalogue


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: Settings
    redis: Redis
    front: Front
    hints: IntakeHints
    intake: Intake
    parking: Parking
    sweep: Sweep
    lanes: Mapping[str, LaneRuntime]


def policy_from(settings: Settings) -> Policy:
    return Policy(
        max_attempts=settings.max_attempts,
        backoff=settings.backoff_seconds,
        backoff_max=settings.backoff_max_seconds,
        grace=settings.grace_seconds,
        read_back=settings.read_back_seconds,
        not_exist=settings.not_exist_seconds,
        job_timeout=settings.job_timeout_seconds,
        final_words=frozenset(settings.final_job_statuses),
        not_exist_words=frozenset(settings.not_exist_statuses),
    )


def remote_from(lane: LaneConfig, settings: Settings) -> RemoteClient:
    verify = str(settings.ca_file) if settings.ca_file else True
    return RemoteClient(
        Transport(
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
    )


def build_runtime(settings: Settings, app: Celery) -> Runtime:
    """Raises `ConfigError` when credentials or Redis are not set. Opens no connection yet."""
    redis = connect(settings)
    front = Front(redis, settings.key_prefix)
    hints = IntakeHints(app, front)
    configured = load_lanes(settings)
    tracing = tracing_of(settings, os.environ)
    lanes = {
        lane.name: _lane_runtime(lane, configured.sharing(lane.name), settings, app, redis, front, tracing)
        for lane in configured.lanes
    }
    return Runtime(
        settings=settings,
        redis=redis,
        front=front,
        hints=hints,
        intake=Intake(
            front=front,
            hints=hints,
            route=configured.route,
            lanes={lane.name: LaneDoor(lanes[lane.name].lane, lanes[lane.name].hints) for lane in configured.lanes},
            lease=settings.lease_seconds,
            check=gate(settings, {name: lane.catalogue for name, lane in lanes.items()}, configured.route),
        ),
        parking=Parking(
            front,
            {name: ParkingLane(lane.lane, lane.hints, lane.progress) for name, lane in lanes.items()},
            partial(announce, app, redis, settings.key_prefix),
        ),
        sweep=Sweep(front, hints, [lane.sweep for lane in lanes.values()]),
        lanes=lanes,
    )


def _lane_runtime(
    config: LaneConfig,
    sharing: tuple[str, ...],
    settings: Settings,
    app: Celery,
    redis: Redis,
    front: Front,
    tracing: Tracing,
) -> LaneRuntime:
    traces = tracing.of_lane(redis, settings.key_prefix, config.name)
    lane = Lane(redis, settings.key_prefix, config.name)
    hints = LaneHints(app, lane)
    remote = remote_from(config, settings)
    pacer = Pacer(redis, lane, sharing, settings.key_prefix)
    tokens = TokenSource(
        remote,
        RedisTokenStore(redis, pacer.token_prefix, config.fingerprint),
        renew_early=settings.token_renew_early_seconds,
    )
    publisher = Publisher(app, redis, settings.key_prefix, front, lane, hints, traces)
    progress = ProgressReports(app, redis, settings.key_prefix, lane, publisher.store)
    read_slots = pacer.slots("read", 1 / settings.read_slots_per_second)
    blame = Blame(lane, config.user_key, Probe(remote, tokens, read_slots))
    return LaneRuntime(
        lane=lane,
        hints=hints,
        submitter=_submitter(lane, hints, remote, tokens, settings, pacer, blame, traces),
        follower=_follower(lane, hints, remote, tokens, settings, pacer, progress, blame, traces),
        publisher=publisher,
        progress=progress,
        sweep=LaneSweep(
            front=front,
            lane=lane,
            hints=hints,
            retain_succeeded=settings.retain_finished_days * DAY,
            retain_failed=settings.retain_failed_days * DAY,
        ),
        catalogue=lane_catalogue(lane, remote, tokens, settings, redis, pacer, on_stopped=blame.look_up_refused),
    )


def _submitter(
    lane: Lane,
    hints: LaneHints,
    remote: RemoteClient,
    tokens: TokenSource,
    settings: Settings,
    pacer: Pacer,
    blame: Blame,
    traces: Traces,
) -> Submitter:
    return Submitter(
        lane=lane,
        slots=pacer.slots("submit", settings.slot_seconds),
        remote=remote,
        tokens=tokens,
        hints=hints,
        blame=blame,
        policy=policy_from(settings),
        lease=settings.lease_seconds,
        heartbeat=settings.heartbeat_seconds,
        max_open=settings.max_open_jobs,
        max_wait=settings.max_wait_seconds,
        uuid_survives_token=settings.idempotency_survives_token,
        traces=traces,
    )


def _follower(
    lane: Lane,
    hints: LaneHints,
    remote: RemoteClient,
    tokens: TokenSource,
    settings: Settings,
    pacer: Pacer,
    progress: ProgressReports,
    blame: Blame,
    traces: Traces,
) -> Follower:
    return Follower(
        lane=lane,
        poll_slots=pacer.slots("poll", settings.effective_poll_slot_seconds, hold=min(HOLD, settings.lease_seconds)),
        read_slots=pacer.slots("read", 1 / settings.read_slots_per_second),
        remote=remote,
        tokens=tokens,
        hints=hints,
        progress=progress,
        blame=blame,
        policy=policy_from(settings),
        hold=min(HOLD, settings.lease_seconds),
        verify_share=VERIFY_SHARE.get(settings.verify, settings.verify_share),
        traces=traces,
    )
