"""The composition root: everything a worker process works with, built once from the settings and passed on."""

from dataclasses import dataclass

from celery import Celery
from pydantic import SecretStr
from redis import Redis

from config.settings import Settings
from worker.connections import connect
from worker.follow import Follower
from worker.hints import Hints
from worker.intake import Intake
from worker.ledger.front import Front
from worker.ledger.lane import Lane
from worker.ledger.token_store import RedisTokenStore
from worker.outcomes import Policy
from worker.pacing.slots import Slots
from worker.progress import ProgressReports
from worker.publish import Publisher
from worker.remote.client import RemoteClient
from worker.remote.codes import error_table
from worker.remote.tokens import TokenSource
from worker.remote.transport import Transport
from worker.submit import Submitter
from worker.sweep import Sweep

DAY = 86_400.0  # seconds
VERIFY_SHARE = {"unknown": 0.0, "all": 1.0}


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: Settings
    redis: Redis
    front: Front
    lane: Lane
    hints: Hints
    intake: Intake
    submitter: Submitter
    follower: Follower
    publisher: Publisher
    sweep: Sweep


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


def remote_from(settings: Settings) -> RemoteClient:
    plugin_id, plugin_secret, user_key = settings.require_credentials()
    return RemoteClient(
        Transport(
            settings.base_url, settings.http_timeout_seconds, str(settings.ca_file) if settings.ca_file else True
        ),
        plugin_id=plugin_id,
        plugin_secret=SecretStr(plugin_secret),
        user_key=user_key,
        table=error_table(settings.error_classes, settings.transient_texts),
        token_type=settings.plugin_token_type,
        extra_headers=settings.user_rights_headers if settings.enforce_user_rights else None,
        missing_item_codes=settings.missing_item_codes,
    )


def build_runtime(settings: Settings, app: Celery) -> Runtime:
    """Raises `ConfigError` when credentials or Redis are not set. Opens no connection yet."""
    redis = connect(settings)
    prefix = settings.key_prefix
    front, lane = Front(redis, prefix), Lane(redis, prefix, settings.lane)
    hints = Hints(app, front, lane)
    remote = remote_from(settings)
    tokens = TokenSource(remote, RedisTokenStore(redis, lane.prefix), renew_early=settings.token_renew_early_seconds)
    policy = policy_from(settings)
    submitter = Submitter(
        lane=lane,
        slots=Slots(redis, lane.key("slot:submit"), settings.slot_seconds),
        remote=remote,
        tokens=tokens,
        hints=hints,
        policy=policy,
        lease=settings.lease_seconds,
        heartbeat=settings.heartbeat_seconds,
        max_open=settings.max_open_jobs,
        max_wait=settings.max_wait_seconds,
        uuid_survives_token=settings.idempotency_survives_token,
    )
    follower = Follower(
        lane=lane,
        poll_slots=Slots(redis, lane.key("slot:poll"), settings.effective_poll_slot_seconds),
        read_slots=Slots(redis, lane.key("slot:read"), 1 / settings.read_slots_per_second),
        remote=remote,
        tokens=tokens,
        hints=hints,
        progress=ProgressReports(app, redis, prefix, lane),
        policy=policy,
        http_timeout=settings.http_timeout_seconds,
        verify_share=VERIFY_SHARE.get(settings.verify, settings.verify_share),
    )
    return Runtime(
        settings=settings,
        redis=redis,
        front=front,
        lane=lane,
        hints=hints,
        intake=Intake(front, lane, hints, settings.user_key),
        submitter=submitter,
        follower=follower,
        publisher=Publisher(app, redis, prefix, front, lane, hints),
        sweep=Sweep(
            front=front,
            lane=lane,
            hints=hints,
            retain_succeeded=settings.retain_finished_days * DAY,
            retain_failed=settings.retain_failed_days * DAY,
        ),
    )
