"""What `feishu-batch probe` says: before, at each reading, and in the end."""

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from worker.cli.probe_setup import ProbeSetup
from worker.operating.probing.every import ProbeStep
from worker.operating.probing.fitting import FittingSetting
from worker.operating.probing.probe import ProbeOutcome
from worker.operating.probing.readings import Reading
from worker.wording import as_json as json_text
from worker.wording import first_few, iso, some


def print_intention(out: Console, setup: ProbeSetup, steps: Sequence[ProbeStep]) -> None:
    place = setup.place
    fields = " and ".join(field.key for field in place.fields)
    out.print(
        f"A probe of lane {setup.lane.name} writes test values to {fields} of {some(len(place.items), 'work item')} of {setup.space}, "
        f"{place.type_key}: {first_few(place.items)}.",
        soft_wrap=True,
    )
    for item, why in setup.before.left_out.items():
        out.print(f"Not used: {item}: {why}.", soft_wrap=True)
    out.print("Their present values:")
    for (item, key), value in setup.before.values.items():
        out.print(f"  {item} {key}: {json_text(value)}", soft_wrap=True)
    out.print("It makes these readings:")
    for step in steps:
        left_out = step.why_not(place, may_single=True)
        out.print(f"  {step.name:<16} {f'left out: {left_out}' if left_out else step.about}", soft_wrap=True)
    wanted = sum(step.requests for step in steps if not step.why_not(place, may_single=True))
    out.print(
        f"About {wanted} requests, within a few minutes. Meanwhile the workers of the lane send no batch; what is enqueued waits. "
        "The remote system may notify people who follow these items.",
        soft_wrap=True,
    )
    out.print(
        "In the end, also after Ctrl-C, it puts the present values back, and reads them to be sure.", soft_wrap=True
    )


def print_reading(out: Console, reading: Reading) -> None:
    out.print(f"{reading.name:<16} {reading.in_words()}", soft_wrap=True)


def print_end(out: Console, setup: ProbeSetup, result: ProbeOutcome, settings: Sequence[FittingSetting]) -> None:
    sent = setup.sender.requests
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(sent.items()))
    out.print(f"{some(sent.total(), 'request')} ({kinds}).")
    if result.stopped:
        out.print(f"Ended early: {result.stopped}.", soft_wrap=True)
    if result.interrupted:
        out.print("Ended by Ctrl-C.")
    for one in result.not_restored:
        out.print(
            f"NOT put back: work item {one.item}, {one.field_key} was {json_text(one.value)}: {one.why}", soft_wrap=True
        )
    if not result.not_restored:
        out.print("All values are as they were before; a read shows them.")
    if settings:
        out.print("Settings that fit:")
        for setting in settings:
            out.print(f"  {setting.name}={setting.value}  # {setting.why}", soft_wrap=True)


def document(
    setup: ProbeSetup, result: ProbeOutcome, settings: Sequence[FittingSetting], write_env: str | None
) -> dict[str, Any]:
    """The documented shape of `feishu-batch probe --json`."""
    return {
        "lane": setup.lane.name,
        "project_key": setup.place.project_key,
        "work_item_type_key": setup.place.type_key,
        "items": list(setup.place.items),
        "left_out": [{"item": item, "reason": why} for item, why in setup.before.left_out.items()],
        "fields": [field.key for field in setup.place.fields],
        "readings": [{"name": one.name, **one.as_json()} for one in result.readings],
        "settings": [{"name": one.name, "value": one.value, "why": one.why} for one in settings],
        "requests": dict(setup.sender.requests),
        "stopped": result.stopped or ("Ctrl-C" if result.interrupted else None),
        "restored": not result.not_restored,
        "not_restored": [
            {"item": one.item, "field_key": one.field_key, "value": one.value, "reason": one.why}
            for one in result.not_restored
        ],
        "env_file": write_env,
    }


def record(setup: ProbeSetup, result: ProbeOutcome) -> dict[str, Any]:
    """For `worker.ledger.probed`."""
    at = time.time()
    return {
        "at": at,
        "when": iso(at),
        "host": setup.host,
        "space": setup.space,
        "project_key": setup.place.project_key,
        "type": setup.place.type_key,
        "readings": {one.name: one.as_json() for one in result.readings},
    }
