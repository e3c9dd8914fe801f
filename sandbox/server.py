"""Run the sandbox as a server: options, sockets, signals."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from sandbox.app import ENDPOINTS, create_app
from sandbox.core import RETRY_AFTER, Sandbox, SandboxSettings
from sandbox.faults import EVERYWHERE, NAMES, FaultError, FaultRule, parse_rule
from sandbox.fields import LITERALS
from sandbox.limits import SLIDING, WINDOWS
from sandbox.single_rules import CHOICES, RuleError, SingleRules
from sandbox.uuids import REJECTED, TREATMENTS
from sandbox.world import DEMO_WORLD, World, WorldError, load_world

EXIT_WRONG_USE = 2
SAME_VALUE = "whether writing the value that a field holds moves the item's updated_at"
CLEARS_WITH = "the empty values that are accepted: null, the empty text, the empty list"
LISTENING = "sandbox listening on "


@dataclass(frozen=True)
class ServerOptions:
    host: str = "127.0.0.1"
    port: int = 0
    exit_with_parent: bool = False
    world: World = field(default_factory=load_world)
    settings: SandboxSettings = field(default_factory=SandboxSettings)


class Protocol(H11Protocol):
    """Passes the application the time at which a request was read, and the transport, so that it can close the connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, dict(app_state), _loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state["transport"] = transport

    def data_received(self, data: bytes) -> None:
        self.app_state["received_at"] = time.monotonic()
        super().data_received(data)


class SandboxServer(uvicorn.Server):
    """Prints its address, ends at once and silently, and ends with its parent."""

    def __init__(self, config: uvicorn.Config, *, exit_with_parent: bool) -> None:
        super().__init__(config)
        self._parent = os.getppid() if exit_with_parent else None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        sys.stdout.write(f"{LISTENING}http://{f'[{host}]' if ':' in host else host}:{port}\n")
        sys.stdout.flush()

    async def on_tick(self, counter: int) -> bool:
        is_orphan = self._parent is not None and os.getppid() != self._parent
        return await super().on_tick(counter) or is_orphan

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again at the end; here a signal is the normal way to stop.
        before = {s: signal.signal(s, self.handle_exit) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(options: ServerOptions) -> None:
    """Serve until SIGINT or SIGTERM. Must run in the main thread. Raises OSError if it cannot listen on the address."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.create_server((options.host, options.port), family=family)
    app = create_app(Sandbox(options.world, options.settings))
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=0,
    )
    SandboxServer(config, exit_with_parent=options.exit_with_parent).run([listener])


def main(argv: Sequence[str] | None = None) -> int:
    try:
        options = parse_options(argv)
    except (WorldError, FaultError, RuleError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_WRONG_USE
    try:
        serve(options)
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on {options.host}:{options.port}: {error.strerror}.\n")
        return EXIT_WRONG_USE
    return 0


def parse_options(argv: Sequence[str] | None = None) -> ServerOptions:
    asked = _parser().parse_args(argv)
    settings = SandboxSettings(
        window=asked.window,
        latency=asked.latency,
        expire_time=asked.expire_time,
        job_median=asked.job_median,
        job_sigma=asked.job_sigma,
        seed=asked.seed,
        faults=[_rule(text) for text in asked.fault],
        missing_items_fail_query=asked.missing == "fail",
        leaves_out_empty_fields=asked.cleared == "absent",
        shows_unset_fields=asked.unset == "null",
        penalty=asked.penalty,
        retry_after=asked.retry_after,
        batch_window=asked.batch_window,
        batch_uuid=asked.batch_uuid,
        uuid_seconds=asked.uuid_seconds,
        job_hidden=asked.job_hidden,
        same_value_updates=asked.same_value == "updates",
        doubles_members=asked.append_present == "doubles",
        clears_with=asked.clears_with,
        singles=SingleRules(**{name: getattr(asked, f"put_{name}") for name in SingleRules.__dataclass_fields__}),
    )
    return ServerOptions(asked.host, asked.port, asked.exit_with_parent, load_world(asked.world), settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox",
        description="A simulator of the Feishu Project API.",
        epilog=_about_faults(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0: any free port; it is printed")
    add("--world", type=Path, default=DEMO_WORLD, help="JSON file with projects, fields, people and items")
    add("--window", type=float, default=1.0, help="seconds of the sliding window of the rate limits")
    add("--penalty", type=float, default=0.0, help="seconds for which a rejection lasts; each one restarts them")
    add("--retry-after", choices=RETRY_AFTER, default="no", help="form of the Retry-After header of a rejection")
    add("--latency", type=_latency, default=(0.0, 0.0), metavar="MIN:MAX", help="seconds, each way")
    add("--expire-time", type=float, default=7200, help="lifetime of a token in seconds")
    add("--job-median", type=float, default=1.0, help="median duration of a job in seconds")
    add("--job-sigma", type=float, default=0.5, help="spread of the durations (sigma of the log-normal distribution)")
    add("--missing", choices=("absent", "fail"), default="absent", help="how a query treats missing items")
    add("--cleared", choices=("null", "absent"), default="null", help="how a query shows a field that was cleared")
    add(
        "--unset", choices=("absent", "null"), default="absent", help="how a query shows a field that never had a value"
    )
    add("--batch-window", choices=WINDOWS, default=SLIDING, help="the window of the limit of batch_update")
    add("--batch-uuid", choices=TREATMENTS, default=REJECTED, help="what a repeated X-IDEM-UUID of a batch_update gets")
    add("--uuid-seconds", type=float, default=0.0, help="how long a UUID is known; 0: for ever")
    add("--job-hidden", type=float, default=0.0, help="seconds after its acceptance until a job is known")
    add("--same-value", choices=("updates", "nothing"), default="updates", help=SAME_VALUE)
    add("--append-present", choices=("nothing", "doubles"), default="nothing", help="APPEND of a member that is there")
    add("--clears-with", type=_literals, default=tuple(LITERALS), metavar="null,text,list", help=CLEARS_WITH)
    for name, (choices, about) in CHOICES.items():
        add(f"--put-{name.replace('_', '-')}", choices=choices, default=getattr(SingleRules, name), help=about)
    add("--put-limit", type=int, default=SingleRules.limit, help="single updates in a window")
    add("--put-seconds", type=float, default=SingleRules.seconds, help="how long a single update takes")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="[ENDPOINT:]NAME=P|Nx[,KEY=VALUE]",
        help="a fault to inject, see below; repeatable",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="seed of all random numbers: the same seed and requests give the same results",
    )
    add("--exit-with-parent", action="store_true", help="end when the process that started this one has ended")
    return parser


def _rule(text: str) -> FaultRule:
    rule = parse_rule(text)
    known = [endpoint.name for endpoint in ENDPOINTS]
    if rule.endpoint not in (EVERYWHERE, *known):
        raise FaultError(f"There is no endpoint {rule.endpoint!r}; there are: {', '.join(known)}.")
    return rule


def _about_faults() -> str:
    width = max(map(len, NAMES))
    endpoints = ", ".join(endpoint.name for endpoint in ENDPOINTS)
    return "\n".join(
        [
            "faults: --fault NAME=0.1 (every request, with this probability) or NAME=3x (the next three, then no more);",
            "  NAME=3x,skip=2 lets two requests pass first; ENDPOINT:NAME=... only at that endpoint",
            "",
            *(f"  {name:<{width}}  {what}" for name, what in NAMES.items()),
            "",
            f"endpoints: {endpoints}",
            "examples:  --fault drop_after=0.05   --fault task_result:not_exist=3x",
            "           --fault batch_update:refuse=3x,code=20050   --fault hide_field=1.0,field=priority",
        ]
    )


def _literals(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    if strange := [word for word in words if word not in LITERALS]:
        raise argparse.ArgumentTypeError(f"{strange[0]!r} is none of {', '.join(LITERALS)}")
    return words


def _latency(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    return float(low), float(high or low)
