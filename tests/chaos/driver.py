"""Seeded chaos: random intents through both doors while faults strike, then a bounded calm, then the verdict.

    python -m tests.chaos.driver --seed 7 --minutes 5

runs seed 7, 8, 9, … A seed fixes the intents, the faults and their times; what meets what is still up to the machine.
"""

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import RedisError

from feishu_batch.outcomes import OutcomeKind
from sandbox.single_rules import CHOICES
from tests.chaos.audit import Snapshot, audit
from tests.chaos.strikes import plan
from tests.chaos.verdict import Verdict
from tests.chaos.workload import Edit, Producers, Wish, edits, wishes
from tests.support.chaos_stack import ChaosStack
from worker.ledger.fields import SingleField
from worker.ledger.records import Outcome

SECONDS = 5.0  # of work and faults
CALM = 40.0  # seconds until all must have ended
INTENTS = 30
FAULTS = 8
EDITS = 6
SLOW = 20.0  # a calm that takes longer is worth a look: its evidence is kept, too
SEEDS_PER_STACK = 8  # then a new one, with other times of jobs, and other answers for fields without a value
FAILURES = Path(".feishu-batch") / "chaos"


@dataclass
class Run:
    """One seed on a stack that may have seen others before."""

    stack: ChaosStack
    seed: int
    seconds: float = SECONDS
    intents: int = INTENTS
    faults: int = FAULTS
    edits: int = EDITS
    struck: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    audits: int = 0
    calm: float = 0.0

    @property
    def has_singles(self) -> bool:
        return self.stack.settings.single_updates_per_second > 0

    def run(self) -> Verdict:
        self.stack.sandbox.reset()
        self._look_everywhere()
        if self.has_singles:
            self._draw_single_rules()
        self.wishes = wishes(self.seed, self.intents, self.seconds)
        producers = Producers(self.stack, self.wishes)
        producers.start()
        self._started = time.monotonic()
        self._strike_all()
        self.stack.heal()
        producers.join(15)
        self.verdict.broken += producers.trouble
        self._await_calm()
        if not self.verdict.broken:
            self.verdict.judge(self.stack, self.wishes)
        return self.verdict

    # --- the storm ------------------------------------------------------------------------------------------------

    def _strike_all(self) -> None:
        rng = random.Random(f"strikes {self.seed}")
        agenda: list[tuple[float, int, Callable[[], Any]]] = []
        for number, planned in enumerate(plan(self.seed, self.faults, self.seconds, singles=self.has_singles)):
            agenda.append((planned.at, number, lambda planned=planned: self._strike(planned, rng, agenda)))
        for number, wish in enumerate(self.wishes):
            if wish.cancel_at is not None:
                agenda.append((wish.cancel_at, 1000 + number, lambda wish=wish: self._cancel(wish)))
        for number, edit in enumerate(edits(self.seed, self.edits, self.seconds)):
            agenda.append((edit.at, 3000 + number, lambda edit=edit: self._edit(edit)))
        agenda += [(at / 2, 5000 + at, self._audit) for at in range(1, int(self.seconds * 2))]
        while agenda:
            agenda.sort(key=lambda entry: entry[:2])
            at, _, act = agenda.pop(0)
            self.stack.sleep(max(0.0, at - self._elapsed))
            act()

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _strike(self, planned: Any, rng: random.Random, agenda: list[Any]) -> None:
        at = self._elapsed
        detail, mend = planned.strike(self.stack, rng)
        self.struck.append(f"{at:6.2f}  {planned.name} {detail}".rstrip())
        self.verdict.figures[f"fault: {planned.name}"] += 1
        if mend is not None:
            after, act = mend
            agenda.append((at + after, 10_000 + len(self.struck), act))

    def _cancel(self, wish: Wish) -> None:
        """As `feishu-batch cancel` does, if Redis is there."""
        with contextlib.suppress(RedisError):
            if not self.stack.server_answers:
                return
            located = self.stack.inbox.locate(wish.intent.intent_id)
            if located is not None and located[1] is not None:
                self.stack.lane.end_pending(located[0], Outcome(OutcomeKind.CANCELED))

    def _edit(self, edit: Edit) -> None:
        self.stack.sandbox.edit(edit.item, edit.field_key, edit.value)

    def _look_everywhere(self) -> None:
        """What the seed before said of places: that they cannot be read, or that nothing is unchanged there."""
        self.stack.redis.delete(*self.stack.redis.keys(self.stack.lane.keys.named("look-share:*")), "none")

    def _draw_single_rules(self) -> None:
        """What is not documented, another way each time; and the route is on, whatever the seed before did to it."""
        rng = random.Random(f"single rules {self.seed}")
        rules = {
            name: rng.choice(choices) for name, (choices, _) in CHOICES.items() if name not in {"access", "writes"}
        }
        writes = rng.choice(["fields", "item"]) if self.stack.settings.single_items_alone else "fields"
        more = {"limit": rng.choice([2, 15]), "seconds": rng.choice([0.0, 0.05, 0.2])}
        self.stack.sandbox.set_single_rules(**rules, **more, writes=writes, access="allowed")
        self.stack.redis.hdel(self.stack.lane.keys.singles.state, SingleField.OFF_UNTIL_MS)
        self.struck.append(f"  rules {rules} {more} writes={writes} alone={self.stack.settings.single_items_alone}")
        if writes == "item":
            self.edits = 0  # such a write may undo what a person did; nothing of ours can help that

    def _audit(self) -> None:
        """The ledger is right at every moment, not only at the end."""
        with contextlib.suppress(RedisError):
            if not self.stack.server_answers:
                return
            found = audit(Snapshot.take(self.stack.redis, self.stack.settings.key_prefix), is_over=False)
            self.verdict.broken += [f"at {self._elapsed:.1f} s: {one}" for one in found]
            self.audits += 1

    # --- the calm -------------------------------------------------------------------------------------------------

    def _await_calm(self) -> None:
        began = time.monotonic()
        while not self._is_over():
            if time.monotonic() - began > CALM:
                left = self.stack.lane.counts()
                self.verdict.broken.append(f"not everything has ended {CALM:g} s after the last fault: {left}")
                return
            self._resume_as_an_operator_would()
            self.stack.sleep(0.1)
        self.calm = time.monotonic() - began

    def _resume_as_an_operator_would(self) -> None:
        """Two fresh tokens refused in a row pause the lane, rightly. A pause for less is a finding: it stays."""
        if self.stack.lane.paused() is None:
            return
        fired = self.stack.sandbox.report()["faults"]
        if sum(count for name, count in fired.items() if name.endswith(":token_loss")) > 1:
            self.stack.lane.resume()
            self.verdict.figures["lane resumed after several tokens were lost"] += 1

    def _is_over(self) -> bool:
        """Nothing to do in the ledger, and no message of Celery's door under way."""
        nothing_parked = not self.stack.redis.hlen(self.stack.inbox.keys.parked)
        return self.stack.is_idle() and nothing_parked and not self.stack.door_messages()


# --- the command ------------------------------------------------------------------------------------------------------


def fresh_stack(directory: Path, seed: int, *, singles: bool | None = None) -> ChaosStack:
    """`singles`: whether the single route is on; None: on every other stack, by the seed."""
    rng, own = random.Random(f"stack {seed}"), random.Random(f"singles {seed}")
    is_on = own.random() < 0.5 if singles is None else singles
    route = {"single_updates_per_second": 10, "single_items_alone": own.random() < 0.6} if is_on else {}
    world = {"job_median": rng.choice([0.05, 0.1, 0.2]), "unset": rng.choice(["absent", "null", "null"])}
    return ChaosStack(directory, sandbox={**world, "job_sigma": 0.7, "seed": seed}, **route)


def keep_evidence(run: Run, folder: Path) -> None:
    """Logs, the whole ledger, what the sandbox saw, what was done."""
    folder.mkdir(parents=True, exist_ok=True)
    for log in run.stack.directory.glob("*.log"):
        shutil.copy(log, folder / log.name)
    told = {"seed": run.seed, "faults": run.struck, "broken": run.verdict.broken, "figures": run.verdict.figures}
    _write(folder / "run.json", {**told, "wishes": [_intent_json(wish) for wish in run.wishes]})
    with contextlib.suppress(RedisError):
        snapshot = Snapshot.take(run.stack.redis, run.stack.settings.key_prefix)
        _write(folder / "ledger.json", {"front": snapshot.front, "lane": snapshot.lane})
        _write(folder / "messages.json", run.stack.messages())
    sandbox = run.stack.sandbox
    seen = {"violations": sandbox.violations(), "report": sandbox.report(with_items=True), "cells": sandbox.cells()}
    _write(folder / "sandbox.json", seen)


def _intent_json(wish: Wish) -> dict[str, Any]:
    how = {"door": wish.door, "at": wish.at, "cancel_at": wish.cancel_at, "acknowledged": wish.acknowledged}
    return {**how, **wish.intent.model_dump(mode="json")}


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False))


@dataclass
class Series:
    """Seeds one after the other, for a time; at least one."""

    seed: int
    until: float  # monotonic
    last: int
    failures: Path
    tally: Path | None = None
    singles: bool | None = None
    failed: int = 0
    totals: Counter[str] = field(default_factory=Counter)

    @property
    def goes_on(self) -> bool:
        return self.seed <= self.last and (not self.totals["seeds"] or time.monotonic() < self.until)

    def run(self) -> None:
        while self.goes_on:
            with (
                tempfile.TemporaryDirectory(prefix="chaos-") as directory,
                fresh_stack(Path(directory), self.seed, singles=self.singles) as stack,
            ):
                self._run_on(stack)
        print(f"\n{self.totals['seeds']} seeds, {self.failed} broken")
        for name, count in sorted(self.totals.items()):
            print(f"{count:8}  {name}")

    def _run_on(self, stack: ChaosStack) -> None:
        """A few, until one leaves the stack in a state that is worth nothing."""
        for _ in range(SEEDS_PER_STACK):
            if not self.goes_on:
                return
            stack.deaths = 0
            run = Run(stack, self.seed)
            broken = run.run().broken
            self._note(run)
            self.seed += 1
            if broken:
                return
            stack.clear_logs()

    def _note(self, run: Run) -> None:
        verdict = run.verdict
        self.totals += verdict.figures
        self.totals["seeds"] += 1
        self.failed += bool(verdict.broken)
        how = f"calm after {run.calm:.1f} s; {run.audits} audits; {run.stack.deaths} deaths"
        say(f"seed {run.seed}: {'BROKEN' if verdict.broken else 'kept'}; {how}")
        for line in run.struck:
            say(f"    {line}")
        for one in verdict.broken[:10]:
            say(f"    ! {one[:1500]}")
        if verdict.broken or run.calm > SLOW:
            folder = self.failures / f"seed-{run.seed}"
            keep_evidence(run, folder)
            say(f"    evidence: {folder}")
        if self.tally is not None:
            line = {"seed": run.seed, "broken": verdict.broken, "calm": run.calm, "audits": run.audits}
            with self.tally.open("a") as out:
                out.write(json.dumps({**line, "figures": verdict.figures}) + "\n")


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="the first one; default: drawn, and printed")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=10**6, help="at most so many")
    parser.add_argument("--failures", type=Path, default=FAILURES, help="where a failing seed leaves its evidence")
    parser.add_argument("--tally", type=Path, help="append a JSON line per seed")
    parser.add_argument(
        "--singles", action=argparse.BooleanOptionalAction, help="single updates; default: half of the time"
    )
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    say(f"first seed: {seed}")
    until = time.monotonic() + 60 * asked.minutes
    series = Series(seed, until, seed + asked.seeds - 1, asked.failures.absolute(), asked.tally, asked.singles)
    series.run()
    return 1 if series.failed else 0


if __name__ == "__main__":
    sys.exit(main())
