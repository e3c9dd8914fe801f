"""What the driver does to the stack. Each fault strikes, and says when and how it is to be mended."""

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.faults import parse_rule

Mend = tuple[float, Callable[[], Any]]  # seconds from the strike, what to do then
Strike = Callable[[Any, random.Random], tuple[str, Mend | None]]
LONGER_THAN_THE_LEASE = (1.6, 2.6)  # seconds
READS_BEHIND = 1.0  # seconds, at most: as the stack's workers are told
CLOCK_STEPS = (-3600, -120, 120, 3600)  # seconds

REMOTE = (
    "batch_update:drop_before=0.5",
    "batch_update:drop_after=0.5",
    "batch_update:error_before=0.5",
    "batch_update:error_after=0.5",
    "batch_update:garbage_before=0.4",
    "batch_update:garbage_after=0.4",
    "batch_update:hang_before=1x,seconds=1.6",
    "batch_update:hang_after=1x,seconds=1.6",
    "batch_update:lose_job=0.4",
    "batch_update:void_job=0.4",
    "batch_update:endless_job=1x",
    "batch_update:omit_item=0.5",
    "token_loss=2x",
    "batch_update:token_loss=1x",
    "batch_update:spurious_429=0.4",
    "task_result:spurious_429=0.4",
    "batch_update:try_later=0.4",
    "task_result:try_later=0.4",
    "task_result:not_exist=0.5",
    "task_result:drop_after=0.5",
    "task_result:garbage_after=0.4",
    "task_result:hang_before=1x,seconds=1.6",
    "work_item_query:error_before=0.5",
    "work_item_query:drop_after=0.5",
    "work_item_query:error_before=1.0,status=503",
    "work_item_query:refuse=2x,code=10001",
    "work_item_query:hang_before=1x,seconds=1.6",
    f"work_item_query:stale_read=0.7,seconds={READS_BEHIND * 0.9}",
    f"work_item_query:stale_read=1.0,seconds={READS_BEHIND * 0.9}",
    "work_item_query:hide_field=0.4",
    "plugin_token:error_before=0.5",
    "plugin_token:drop_after=0.5",
)
# `late`: executed after the answer, but within the grace time that the stack's workers are told.
OF_SINGLES = (
    "update_item:drop_before=0.5",
    "update_item:drop_after=0.5",
    "update_item:error_before=0.5",
    "update_item:error_after=0.5",
    "update_item:error_late=0.3,seconds=1.2",
    "update_item:garbage_before=0.4",
    "update_item:garbage_after=0.4",
    "update_item:hang_before=2x,seconds=1.6",
    "update_item:hang_after=2x,seconds=1.6",
    "update_item:spurious_429=0.4",
    "update_item:try_later=0.4",
    "update_item:token_loss=1x",
    "update_item:refuse=0.3,code=20050",
    "update_item:refuse=1x,code=30014",
    "update_item:refuse=1x,code=10301",
)
ACCESS = ("10301", "10404", "404", "405")


def _kill(name: str) -> Strike:
    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        stack.strike_dead(name)
        return "", None

    return strike


def _stop(name: str) -> Strike:
    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        seconds = rng.uniform(*LONGER_THAN_THE_LEASE)
        stack.hold(name)
        return f"for {seconds:.1f} s", (seconds, lambda: stack.go_on(name))

    return strike


def _stop_and_kill(name: str) -> Strike:
    """Messages that come while it stands still vanish with it."""

    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        seconds = rng.uniform(0.5, 2)
        stack.hold(name)
        return f"after {seconds:.1f} s", (seconds, lambda: stack.strike_dead(name))

    return strike


def _twin(name: str) -> Strike:
    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        if not stack.is_alive(f"{name}-twin"):
            stack.start_twin(name)
        return "", None

    return strike


def _kill_server(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
    seconds = rng.uniform(0.05, 1.5)
    stack.thaw_server()
    stack.server.kill()
    return f"for {seconds:.1f} s", (seconds, lambda: stack.server.pid or stack.server.start())


def _freeze_server(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
    if stack.server.pid is None:
        return "while it was dead", None
    seconds = rng.uniform(0.3, 2.5)
    stack.freeze_server()
    return f"for {seconds:.1f} s", (seconds, stack.thaw_server)


def _cut(proxy: str) -> Strike:
    return lambda stack, _rng: (f"{getattr(stack, proxy).cut()} of them", None)


def _half_open(proxy: str) -> Strike:
    return lambda stack, _rng: (f"{getattr(stack, proxy).kill_quietly()} of them", None)


def _mute(proxy: str) -> Strike:
    return lambda stack, rng: (f"{getattr(stack, proxy).mute(rng.uniform(0.02, 0.4))} of them", None)


def _refuse(proxy: str) -> Strike:
    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        seconds = rng.uniform(0.3, 1.5)
        getattr(stack, proxy).refuse(True)
        getattr(stack, proxy).cut()
        return f"for {seconds:.1f} s", (seconds, lambda: getattr(stack, proxy).refuse(False))

    return strike


def _change_places(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
    if not stack.server_answers or not stack.server.change_places():
        return "not: the replica is not in step", None
    return "", None


def _set_clocks(*whose: str) -> Strike:
    """They stay as they are set: nobody sets them right."""

    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        seconds = rng.choice(CLOCK_STEPS)
        stack.clocks.step(seconds, *whose)
        return f"by {seconds:+} s", None

    return strike


def _forget_messages(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
    if stack.server_answers:
        stack.forget_queues()
    return "", None


def _remote(rule: str) -> Strike:
    def strike(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        seconds = rng.uniform(0.8, 2.5)
        stack.sandbox.set_faults(rule)
        never = {**asdict(parse_rule(rule)), "probability": None, "count": 0}
        return f"for {seconds:.1f} s", (seconds, lambda: stack.sandbox.set_faults(never))

    return strike


def _close_singles(stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
    seconds = rng.uniform(0.5, 2)
    with_what = rng.choice(ACCESS)
    stack.sandbox.set_single_rules(access=with_what)
    return f"with {with_what} for {seconds:.1f} s", (seconds, lambda: stack.sandbox.set_single_rules(access="allowed"))


CLOSED = "single updates are not allowed"
LOCAL: dict[str, Strike] = {
    "submit worker killed": _kill("submit"),
    "poll worker killed": _kill("poll"),
    "intake worker killed": _kill("intake"),
    "beat killed": _kill("beat"),
    "submit worker stopped": _stop("submit"),
    "poll worker stopped": _stop("poll"),
    "intake worker stopped": _stop("intake"),
    "submit worker stopped, then killed": _stop_and_kill("submit"),
    "intake worker stopped, then killed": _stop_and_kill("intake"),
    "second submit worker": _twin("submit"),
    "second poll worker": _twin("poll"),
    "second intake worker": _twin("intake"),
    "second beat": _twin("beat"),
    "redis killed": _kill_server,
    "redis frozen": _freeze_server,
    "connections cut": _cut("proxy"),
    "connections half-open": _half_open("proxy"),
    "answers of redis lost": _mute("proxy"),
    "connections refused": _refuse("proxy"),
    "tunnels of the http proxy cut": _cut("http_proxy"),
    "tunnels of the http proxy half-open": _half_open("http_proxy"),
    "answers through the http proxy lost": _mute("http_proxy"),
    "http proxy refuses": _refuse("http_proxy"),
    "all messages deleted": _forget_messages,
    "primary and replica change places": _change_places,
    "the clock of redis set": _set_clocks("server"),
    "the clock of the workers set": _set_clocks("workers"),
    "all clocks set": _set_clocks("server", "workers"),
}
FAULTS: dict[str, Strike] = {
    **LOCAL,
    **{f"remote {rule}": _remote(rule) for rule in (*REMOTE, *OF_SINGLES)},
    CLOSED: _close_singles,
}
# What a third of the local faults is drawn from: of some thirty kinds they would come too seldom.
OF_LATE = [name for name in LOCAL if "clock" in name or "http proxy" in name or "places" in name]


@dataclass(frozen=True)
class Planned:
    at: float  # seconds after the start
    name: str

    def strike(self, stack: Any, rng: random.Random) -> tuple[str, Mend | None]:
        return FAULTS[self.name](stack, rng)


def plan(seed: object, count: int, seconds: float, *, singles: bool = False) -> list[Planned]:
    """Half of them local. Some come together: what two faults do at once is the more interesting.

    `singles`: a third of them strike single updates.
    """
    rng = random.Random(f"faults {seed}")
    names = [_of_singles(rng) if singles and rng.random() < 0.33 else _drawn(rng) for _ in range(count)]
    return sorted((Planned(rng.uniform(0.3, seconds), name) for name in names), key=lambda one: one.at)


def _of_singles(rng: random.Random) -> str:
    return CLOSED if rng.random() < 0.1 else f"remote {rng.choice(OF_SINGLES)}"


def _drawn(rng: random.Random) -> str:
    if rng.random() < 0.45:
        return f"remote {rng.choice(REMOTE)}"
    return rng.choice(OF_LATE if rng.random() < 0.33 else [*LOCAL])
