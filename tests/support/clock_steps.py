"""Somebody sets the server's clock, as the ledger sees it: between two looks, by so many seconds."""

from worker.ledger.clock import CLOCK_FIELDS


def set_server_clock(redis, key, seconds):
    """For the part of the ledger that `key` is in. The server's clock stays; what was noted of it is moved instead."""
    clock = key[: key.index("}:") + 2] + "clock"
    wall, ahead = (int(one) for one in redis.hmget(clock, CLOCK_FIELDS))
    micros = round(seconds * 1e6)
    redis.hset(clock, mapping=dict(zip(CLOCK_FIELDS, (wall - micros, ahead + micros), strict=True)))
