"""The text of docs/errors.md, from the explanations that stand beside the codes in the product. Part of docs/generate.py."""  # noqa: INP001 - a script

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from rejections import rejections

from config.remote_facts import ErrorClass
from config.routing import ROLE_OF_QUEUE
from feishu_batch.explained import ERRORS, FAILURES, ITEMS, STATES, Explanation
from feishu_batch.redis_trouble import sentences
from worker.catalogue.explained import EXPLAINED
from worker.cli.errors import EXIT_CODES
from worker.cli.start_paused import BY_UP
from worker.ledger.last_errors import LastError
from worker.ledger.reads.lane_health import LaneHealth
from worker.ledger.single_route import NO_SINGLES, SingleState
from worker.ledger.stall import SendState
from worker.operating import health, redis_checks
from worker.operating.explaining import SENT_NOTHING
from worker.remote.client import CREDENTIALS_ADVICE
from worker.remote.codes import DEFAULT_RULES, FRESH_TOKENS_REFUSED, REDIRECT_ADVICE
from worker.remote.meanings import POLICIES, SCENES, meaning_of
from worker.web.guard import STATUSES

WIDTH = 150
_SEEN_BY = "In `Result.failed`, `failures`, `show`, reports and on the page."
URL = "FEISHU_BATCH_REDIS_URL"

HEAD = """\
# Errors: every code, what it means, what to do

Each entry says what happened, then what to do. `feishu-batch failures` and the status page show the same advice.
Looking for a symptom and not for a code? [troubleshooting.md](troubleshooting.md).

| you have | look at |
|---|---|
| a failed item: a word like `no_lane` | [codes of ours](#failed-items-codes-of-ours) |
| a failed item: a word like `bad_value` | [refused before they were sent](#failed-items-refused-before-they-were-sent) |
| a failed item: a number | [numbers of the remote system](#failed-items-numbers-of-the-remote-system) |
| a failed item: a word like `WorkItemTerminated` | [words of a remote job](#failed-items-words-of-a-remote-job) |
| a file or a row that `import` refuses | [files](#files-that-import-refuses), [rows](#rows-that-import-rejects) |
| the state of an intent or an item | [intents](#states-of-an-intent), [items](#states-of-an-item) |
| an exception of the library | [exceptions](#exceptions-of-the-library), [trouble with Redis](#trouble-with-redis) |
| the exit code of a command | [exit codes](#exit-codes-of-the-commands) |
| an HTTP status of the status page | [answers of the status page](#answers-of-the-status-page) |
| a paused lane | [pauses](#pauses-of-a-lane) |
| *warn* or *fail* of `doctor`, 1 from `health`, 503 from `/healthz` | [a lane that stalls](#a-lane-that-stalls) |
| a warning of `up` or `doctor` about Redis | [a Redis that cannot be trusted](#a-redis-that-cannot-be-trusted) |
| a submit task in Flower that sent nothing | [runs that sent nothing](#runs-that-sent-nothing) |

<!-- Written by docs/generate.py. -->
"""


def errors_page() -> str:
    return HEAD + "".join(f"\n## {title}\n\n{wrapped(where)}\n{body}" for title, where, body in _sections())


def _sections() -> Iterator[tuple[str, str, str]]:
    """Title, who sees the codes where, entries."""
    yield "Failed items: codes of ours", f"{_SEEN_BY} `retry` enqueues failed items again.", _entries(FAILURES)
    yield (
        "Failed items: refused before they were sent",
        (
            f"{_SEEN_BY} The [field catalogue](catalogue.md) checks names and values when the intake worker records an intent. No request was spent. "
            "`plan --check` and `import --check` find most of them beforehand."
        ),
        _entries(EXPLAINED),
    )
    yield (
        "Failed items: numbers of the remote system",
        (
            f"{_SEEN_BY} The remote system refused the request. The reason holds its message and its log id. A number that is not here is treated like "
            "those that may be one item's fault. `FEISHU_BATCH_ERROR_CLASSES` moves a number to another class."
        ),
        "".join(_of_class(kind) for kind in POLICIES).removeprefix("\n"),
    )
    yield (
        "Failed items: words of a remote job",
        f"{_SEEN_BY} The remote system accepted the request, and its job refused the item with this word. Other words are kept as they come.",
        _entries(SCENES),
    )
    files, rows = rejections()
    yield (
        "Files that import refuses",
        "`import`, `plan` and schedules say this of a file as a whole; nothing of it is enqueued. Exit code 2. Examples:",
        _messages(files),
    )
    yield (
        "Rows that import rejects",
        (
            "`import`, `plan`, reports and schedules say this of a row, with its line; the other rows are enqueued. Exit code 1. Programs get the "
            "same from `IntentError`. Examples:"
        ),
        _messages(rows),
    )
    yield "States of an intent", "In `handle.state`, `Result.state`, `show` and reports.", _entries(STATES)
    yield (
        "States of an item",
        "In `handle.progress`, `Result.counts`, `show`, reports and on the page.",
        _entries(ITEMS),
    )
    yield (
        "Exceptions of the library",
        "Your app sees them when it calls `feishu_batch`. All are a `FeishuBatchError`.",
        _entries({kind.__name__: told for kind, told in ERRORS.items()}),
    )
    yield (
        "Trouble with Redis",
        "In the message of `EnqueueError` and `ReadError`, and of commands that end with 3. It never contains a URL or a password.",
        "".join(f"- {wrapped(f'{one}.', '  ')}" for one in sentences(f"`{URL}`")),
    )
    yield "Exit codes of the commands", "Every command has the same.", _entries(EXIT_CODES)
    yield (
        "Answers of the status page",
        "HTTP statuses of the page, `/healthz` and `/metrics`.",
        _entries(STATUSES),
    )
    yield (
        "Pauses of a lane",
        (
            "An operator pauses a lane, or the lane pauses itself when continuing would only repeat an error. It keeps every intent. `status`, `doctor` and the "
            "page show the reason; the log has `lane.paused`. After fixing it, run `feishu-batch resume`."
        ),
        _entries(_pauses()),
    )
    yield (
        "A lane that stalls",
        "`doctor` shows these with *warn* or *fail*, the page and `status` show the most important; `health` and `/healthz` fail for those marked *fail*.",
        "".join(_check(one) for one in stalls()),
    )
    yield (
        "A Redis that cannot be trusted",
        "`up`, `run` and `doctor` look at the settings of Redis. *fatal*: nothing can work, and they end with 3.",
        "".join(_finding(one) for one in doubts()),
    )
    yield "Runs that sent nothing", "`state` in the result of `feishu_batch.submit_batch`.", _entries(SENT_NOTHING)


def _of_class(kind: ErrorClass) -> str:
    codes = [code for code, rule in DEFAULT_RULES.items() if rule.kind is kind]
    where = " The numbers: [pauses](#pauses-of-a-lane)." if kind is ErrorClass.LANE else ""
    head = "\n" + wrapped(f"**Class `{kind}`.** {POLICIES[kind]}{where}")
    if where or not codes:
        return head
    together: dict[Explanation, list[int]] = {}
    for code in sorted(codes):
        together.setdefault(meaning_of(code), []).append(code)
    entries = {"`, `".join(map(str, found)): told for told, found in together.items()}
    return f"{head}\n{_entries(entries)}"


def _pauses() -> dict[str, Explanation]:
    return {
        "your own reason": Explanation(
            "An operator ran `feishu-batch pause`, or used the page.", "Run `feishu-batch resume`."
        ),
        BY_UP.replace("`", ""): Explanation(
            "The lanes began paused.", "Look at what waits, then `feishu-batch resume`."
        ),
        "a new token was refused": Explanation("Two fresh tokens in a row were refused.", FRESH_TOKENS_REFUSED),
        "no token": Explanation("The log-in was refused with another code than those below.", CREDENTIALS_ADVICE),
        "HTTP 3xx": Explanation("The remote system's address redirects.", REDIRECT_ADVICE),
        **{str(code): meaning_of(code) for code, rule in DEFAULT_RULES.items() if rule.kind is ErrorClass.LANE},
    }


# --- judged by the product itself, on samples ----------------------------------------------------------------------

_MOVING = SendState(
    now=1000.0,
    is_paused=False,
    resumed_at=None,
    ready_since=None,
    due_at=None,
    unfinished=0,
    room_since=None,
    asked_at=None,
    lease_until=None,
    opens_at=None,
)
_WELL = LaneHealth(_MOVING, 0, None, None, None, None, 1.0, 0, 0, has_work=False, pause=None)
SAMPLES: tuple[LaneHealth, ...] = (
    replace(_WELL, pause={"reason": "REASON", "polling": True}),
    replace(_WELL, last_errors=((LastError("submit", 880.0, "ERROR"), 120.0),)),
    replace(_WELL, has_work=True, send_state=replace(_MOVING, ready_since=900.0)),
    replace(_WELL, has_work=True, strikes=4, send_state=replace(_MOVING, ready_since=999.0, opens_at=1030.0)),
    replace(_WELL, has_work=True, open_jobs=50, send_state=replace(_MOVING, ready_since=999.0, unfinished=50)),
    replace(_WELL, lease_over=60.0),
    replace(_WELL, job_overdue=90.0),
    replace(_WELL, check_overdue=90.0),
    replace(_WELL, outbox_overdue=90.0, unpublished=3),
)


def stalls() -> list[health.Check]:
    """What the product says of each sample of a lane, and of what serves all lanes."""
    view: Any = SimpleNamespace(lane="default", ready_changes=0, singles=NO_SINGLES)
    of_lanes = [one for seen in SAMPLES for one in health.check_lane(view, seen, 1.0, 50)]
    of_lanes += health.check_singles("default", SingleState(13, 3540.0, "ERROR"), 90.0)
    inbox: Any = SimpleNamespace(intents=12, oldest_wait=40.0)
    shared = [
        *health.check_beat({"default": replace(_WELL, swept=60.0)}, 2.0),
        health.check_inbox(inbox),
        *health.check_workers(dict(ROLE_OF_QUEUE), ()),
        *health.check_strays("feishu.intents.staging", 3),
        health.check_clock(1000.0, 1005.0),
        *health.check_settings({"FEISHU_BATCH_…": "FEISHU_BATCH_BASE_URL"}),
        health.check_disk(50 * 1024**2, 1024**4, "/var/lib/feishu-batch", holds_ledger=True),
        health.check_disk(500 * 1024, 1024**4, "/var/lib/feishu-batch", holds_ledger=False),
    ]
    return [*of_lanes, *shared]


def doubts() -> list[redis_checks.RedisFinding]:
    """What the product says of servers with a fault each."""
    good: Mapping[str, Any] = {"redis_version": "7.2.4", "role": "master"}
    config = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    faults: tuple[tuple[dict[str, Any], dict[str, str] | None], ...] = (
        ({"redis_version": "5.0.14"}, config),
        ({"redis_version": "?"}, config),
        ({"redis_mode": "cluster"}, config),
        ({"role": "slave"}, config),
        ({"role": "slave", "slave_read_only": 0}, config),
        ({"maxmemory": 100, "used_memory": 95}, config),
        ({"loading": 1}, config),
        ({}, {**config, "maxmemory-policy": "allkeys-lru"}),
        ({}, {**config, "appendonly": "no"}),
        ({}, {**config, "appendfsync": "everysec"}),
        ({}, None),
    )
    return [one for info, given in faults for one in redis_checks.findings({**good, **info}, given)]


def _messages(told: Mapping[str, str]) -> str:
    return "".join(f"- {wrapped(f'**{what}**: {message}', '  ')}" for what, message in told.items())


def _check(check: health.Check) -> str:
    return _entry(f"{check.what.rstrip('.')}.", check.advice, f"*{check.mark}*: ")


def _finding(finding: redis_checks.RedisFinding) -> str:
    return _entry(f"{finding.what}.", finding.advice, f"*{finding.severity}*: ")


# --- form -----------------------------------------------------------------------------------------------------------


def _entries(told: Mapping[Any, Explanation]) -> str:
    return "".join(_entry(one.meaning, one.advice, f"**`{code}`**: ") for code, one in told.items())


def _entry(meaning: str, advice: str, mark: str) -> str:
    return f"- {wrapped(mark + meaning, '  ')}  {wrapped(f'→ {advice}', '  ')}"


def wrapped(text: str, indent: str = "") -> str:
    lines: Iterable[str] = textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"
