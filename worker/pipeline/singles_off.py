"""The single route is switched off for a while: logged once, by whichever of its senders was the first."""

import structlog

from worker.ledger.lane import Lane

log = structlog.get_logger("feishu_batch.singles")


def switch_off_singles(lane: Lane, seconds: float, why: str) -> None:
    if lane.singles.switch_off(seconds, why):
        log_switched_off(lane, seconds, why)


def log_switched_off(lane: Lane, seconds: float, why: str) -> None:
    log.warning("singles.off", lane=lane.name, seconds=round(seconds), reason=why)
