"""What must be true of the ledger: at any moment, and when all work is done. A broken rule is a sentence."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feishu_batch.item_log import LOG_BLOCK, MARK_OF_MANY, MOST_MARKED, mark_of
from feishu_batch.keys import InboxKeys
from tests.ledger.dump import columns_that_wait

# Every key in one step, so that no script runs between two reads.
DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', key)['ok']
  local content
  if kind == 'string' then content = redis.call('GET', key)
  elseif kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'set' then content = redis.call('SMEMBERS', key)
  elseif kind == 'list' then content = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'stream' then content = redis.call('XLEN', key) end
  found[#found + 1] = {key, kind, redis.call('PTTL', key), content}
end
return found
"""

LEDGER_MAP = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
# `ready:<g>` is one of a family, `ended:failed` a single key.
NAMED = re.findall(r"`\{(front|lane)\}:([^`]+)`", LEDGER_MAP)
FRONT = {name for part, name in NAMED if part == "front" and "<" not in name}
FRONT_FAMILIES = {name.partition(":")[0] for part, name in NAMED if part == "front" and "<" in name}
SINGLE = {name for part, name in NAMED if part == "lane" and "<" not in name}
FAMILIES = {name.partition(":")[0] for part, name in NAMED if part == "lane" and "<" in name}
ROUTE = "route:batch:"
SINGLES = "route:single:"
PLACE_OF = {"open": "jobs", "resend": "due", "reask": "due", "check": "checks"}
COUNTERS = {"o": "ok", "u": "un", "f": "fl", "s": "sp", "c": "cn", "e": "ex"}
LOOKED_AT = "0"  # in place of a batch: the cell is closed while it is read
EXPIRING = {"hint", "refused", "token", "token-lock", "swept-at", "suspects", "accepted", "unlisted"}


@dataclass(frozen=True)
class Snapshot:
    """Of one moment. Keys without their prefix."""

    front: dict[str, Any]
    lane: dict[str, Any]
    for_ever: frozenset[str]  # keys without an expiry, with their prefix

    @classmethod
    def take(cls, redis: Any, prefix: str, lane: str = "default") -> "Snapshot":
        front_prefix = InboxKeys(prefix)._key("")
        lane_prefix = f"{prefix}:{{{lane}}}:"
        front, of_lane, for_ever = {}, {}, set()
        for key, kind, ttl, content in redis.eval(DUMP, 0, f"{prefix}:*"):
            if ttl < 0:
                for_ever.add(key)
            told = _content(kind, content)
            if key.startswith(front_prefix):
                front[key.removeprefix(front_prefix)] = told
            else:
                of_lane[key.removeprefix(lane_prefix)] = told
        return cls(front, of_lane, frozenset(for_ever))

    def family(self, name: str) -> dict[str, Any]:
        found = {key.partition(":")[2]: content for key, content in self.lane.items() if key.startswith(f"{name}:")}
        return {rest: content for rest, content in found.items() if f"{name}:{rest}" not in SINGLE}

    def __getitem__(self, name: str) -> Any:
        return self.lane.get(name, {})


def _content(kind: str, content: Any) -> Any:
    if kind in {"hash", "zset"}:
        return dict(zip(content[::2], content[1::2], strict=True))
    return content


def audit(snapshot: Snapshot, *, is_over: bool) -> list[str]:
    """The rules that are broken. `is_over`: every intent has ended and was made known, so nothing else may be left."""
    found = [
        *_keys(snapshot),
        *_batches(snapshot),
        *_cells(snapshot),
        *_singles(snapshot),
        *_ready(snapshot),
        *_looks(snapshot),
        *_intents(snapshot),
        *_item_log(snapshot),
        *_groups(snapshot),
        *_sets(snapshot),
    ]
    return found + (_leftovers(snapshot) if is_over else [])


def _keys(now: Snapshot) -> list[str]:
    strange = [key for key in now.front if key not in FRONT and key.partition(":")[0] not in FRONT_FAMILIES]
    found = [f"key of the front that nobody knows: {key}" for key in strange]
    for key in now.lane:
        family = key.partition(":")[0]
        if key not in SINGLE and family not in FAMILIES:
            found.append(f"key that nobody knows: {key}")
        if (family in EXPIRING or key in EXPIRING) and any(full.endswith(f":{key}") for full in now.for_ever):
            found.append(f"key without an expiry: {key}")
    if "hint" in now.front and any(full.endswith("{front}:hint") for full in now.for_ever):
        found.append("key without an expiry: hint of the front")
    return found


def _held_by(batch: dict[str, str]) -> list[tuple[str, str]]:
    """(cell, number) of its changes."""
    return [tuple(part.rsplit(":", 1)) for part in batch["parts"].split(",")]


def _wanting(now: Snapshot, batch: dict[str, str]) -> list[str]:
    """The intents of its changes, and those that share them, each as often as it has a change in it."""
    shared = [now["shared"].get(f"{number}:{cell}", "") for cell, number in _held_by(batch)]
    sharers = [sharer for names in shared for sharer in names.split(",") if sharer]
    return [*(number for _, number in _held_by(batch)), *sharers]


def _batches(now: Snapshot) -> list[str]:
    """A batch has one place, by its state; what stands in a place is a batch."""
    batches, lease = now.family("batch"), now[f"{ROUTE}lease"]
    found = [one for number, batch in batches.items() for one in _batch(now, number, batch)]
    for place in ("jobs", "due", "checks", f"{SINGLES}due", f"{SINGLES}checks", f"{SINGLES}flight"):
        found += [f"{place} names batch {number}, which is not there" for number in now[place] if number not in batches]
    if lease and batches.get(lease["batch"], {}).get("state") != "sending":
        found.append(f"the lease names batch {lease['batch']}, which is not being sent")
    return found


def _batch(now: Snapshot, number: str, batch: dict[str, str]) -> list[str]:
    found = []
    own, state, lease = SINGLES if _is_single(batch) else "", batch.get("state"), now[f"{ROUTE}lease"]
    places = [own + place for place in ("jobs", "due", "checks") if number in now[own + place]]
    if places != ([] if state == "sending" else [f"{own}{PLACE_OF.get(state)}"]):
        found.append(f"batch {number} is {state} and stands in {places}")
    if state == "sending" and own and number not in now[f"{SINGLES}flight"]:
        found.append(f"update {number} is being sent, but not in flight")
    if state == "sending" and not own and (lease.get("batch"), lease.get("fence")) != (number, batch["fence"]):
        found.append(f"batch {number} is being sent, but the lease does not name it: {lease}")
    for cell, owner in _held_by(batch):
        if now["cells"].get(cell) != f"{owner}@{number}":
            found.append(f"batch {number} does not hold its cell {cell}")
    return found


def _is_single(batch: dict[str, str]) -> bool:
    return batch.get("rt") == "single"


def _singles(now: Snapshot) -> list[str]:
    """A group of the route is in one of its two lists; an item is closed as long as a request may write it."""
    sizes = {group: int(size) for group, size in now[f"{SINGLES}sizes"].items()}
    small, fresh, since = (set(now[f"{SINGLES}{name}"]) for name in ("small", "fresh", "since"))
    found = []
    if set(sizes) != since or set(sizes) != small | fresh or small & fresh:
        found.append(f"groups of single updates: sizes {sizes}, small {small}, fresh {fresh}, since {since}")
    ready = {group: len(items) for group, items in now.family("ready").items() if group in sizes}
    if ready != sizes:
        found.append(f"groups of single updates have {sizes}, but {ready} are ready")
    closed, updates = now[f"{SINGLES}items"], now.family("batch")
    for item, number in closed.items():
        if not any(cell.endswith(f":{item}") for cell, _ in _held_by(updates.get(number, {"parts": "0:0:0"}))):
            found.append(f"item {item} is closed for update {number}, which does not have it")
    for number, batch in updates.items():
        if _is_single(batch) and (batch["state"] == "sending" or batch.get("stray") == "1"):
            item = _held_by(batch)[0][0].partition(":")[2]
            if closed.get(item) != number:
                found.append(f"item {item} is closed for {closed.get(item)}, but update {number} may be on its way")
    return found


def _cells(now: Snapshot) -> list[str]:
    """A cell has one owner, who is ready or in a batch; behind it the changes stand in the order of their numbers."""
    found = [one for cell, owner in now["cells"].items() for one in _cell(now, cell, owner)]
    found += [f"a line at cell {cell} without an owner" for cell in now.family("behind") if cell not in now["cells"]]
    for name in now["shared"]:
        holder, _, cell = name.partition(":")
        line = now.lane.get(f"behind:{cell}", [])
        gave_way = [
            number for stack, numbers in now.family("under").items() if stack.endswith(f":{cell}") for number in numbers
        ]
        if now["cells"].get(cell, "").partition("@")[0] != holder and holder not in [*line, *gave_way]:
            found.append(f"a share of {holder} at cell {cell}, where it does not stand")
    return found


def _cell(now: Snapshot, cell: str, owner: str) -> list[str]:
    number, _, batch = owner.partition("@")
    column, _, item = cell.partition(":")
    line = [int(one) for one in now.lane.get(f"behind:{cell}", [])]
    intent = now.lane.get(f"intent:{number}")
    if intent is None:
        return [f"cell {cell} belongs to intent {number}, which is not there"]
    found = []
    if [int(number), *line] != sorted([int(number), *line]):
        found.append(f"cell {cell}: out of order: {owner}, {line}")
    if now.lane[f"group:{intent['g']}"]["col"] != column:
        found.append(f"cell {cell} belongs to intent {number} of another column")
    if batch == LOOKED_AT:
        claims = [claim for claim, told in now.family("look-claim").items() if (cell, number) in _held_by(told)]
        if len(claims) != 1:
            found.append(f"cell {cell} is said to be looked at for {number}, but {claims} have it")
    elif batch:
        if (cell, number) not in _held_by(now.lane.get(f"batch:{batch}", {"parts": "0:0:0"})):
            found.append(f"cell {cell} is held by batch {batch}, which does not have it")
    else:
        places = _places(now, cell, item, intent)
        if len(places) > 1 or (number not in now["stopping"] and not places):
            found.append(f"cell {cell}: its owner {number} is in no batch, and stands in {places or 'no place'}")
    return found


def _places(now: Snapshot, cell: str, item: str, intent: dict[str, str]) -> list[str]:
    """Where the owner of a cell waits: for a request, for a look, or until a read proves something."""
    group = now.lane[f"group:{intent['g']}"]
    waiting = now.lane.get(f"look:{group['pl']}", {})
    looks = columns_that_wait(now.lane.get(f"look-columns:{group['pl']}", {}), waiting).get(item, "").split(",")
    found = ["ready"] if item in now.lane.get(f"ready:{intent['g']}", {}) else []
    found += ["look"] if group["col"] in looks else []
    return [*found, "later"] if cell in now["later"] else found


def _ready(now: Snapshot) -> list[str]:
    found = []
    groups, intents = now.family("group"), now.family("intent")
    by_singles = now[f"{SINGLES}sizes"]
    sizes = {group: len(items) for group, items in now.family("ready").items() if group not in by_singles}
    for group, items in now.family("ready").items():
        for item, rank in items.items():
            number = str(int(float(rank)) % 2**48)
            if now["cells"].get(f"{groups[group]['col']}:{item}") != number or intents[number]["g"] != group:
                found.append(f"item {item} is ready in group {group} for intent {number}, which does not own the cell")
    for place, fits in (("full", lambda size: size >= 50), ("part", lambda size: 0 < size < 50)):
        listed = set(now[f"{ROUTE}{place}"])
        right = {group for group, size in sizes.items() if fits(size)}
        if listed != right:
            found.append(f"{place} lists {listed}, but {right} are")
    behind = Counter(intents[number]["g"] for line in now.family("behind").values() for number in line)
    if {group: int(count) for group, count in now["behind-of"].items()} != behind:
        found.append(f"behind-of counts {now['behind-of']}, but {dict(behind)} wait behind others")
    if set(now[f"{ROUTE}since"]) != set(sizes):
        found.append(f"since lists {set(now[f'{ROUTE}since'])}, but {set(sizes)} are ready")
    return found


def _looks(now: Snapshot) -> list[str]:
    """What waits for a look is found by one, and what a look has is closed for everything else."""
    found = []
    for place, kept in now.family("look-columns").items():
        waiting = now.lane.get(f"look:{place}", {})
        columns = columns_that_wait(kept, waiting)
        if not waiting or set(columns) != set(waiting):
            found.append(f"place {place}: items {sorted(waiting)} wait for a look, with columns of {sorted(columns)}")
        if place not in now["looks"]:
            found.append(f"place {place} has {sorted(columns)} to look at, and looks does not name it")
        cells = [f"{column}:{item}" for item, told in columns.items() for column in told.strip(",").split(",")]
        found += [f"cell {cell} waits for a look without an owner" for cell in cells if cell not in now["cells"]]
    for claim, told in now.family("look-claim").items():
        if claim not in now["look-claims"]:
            found.append(f"look {claim} is in no list")
        for cell, number in _held_by(told):
            if now["cells"].get(cell) != f"{number}@{LOOKED_AT}":
                found.append(f"look {claim} has cell {cell}, which is {now['cells'].get(cell)}")
    return found


def _intents(now: Snapshot) -> list[str]:
    found = []
    held = Counter(number for batch in now.family("batch").values() for number in _wanting(now, batch))
    by_number = {entry.split(":")[0]: (intent_id, entry) for intent_id, entry in now.front.get("ids", {}).items()}
    for number, record in now.family("intent").items():
        counts = {name: int(record.get(name) or 0) for name in ("tot", "opn", "snt", *COUNTERS.values())}
        settled = sum(counts[name] for name in COUNTERS.values())
        if counts["opn"] + settled != counts["tot"]:
            found.append(f"intent {number}: {counts} do not add up")
        if counts["snt"] != held[number]:
            found.append(f"intent {number}: {counts['snt']} are said to be in requests, {held[number]} are")
        if ("end" in record) != (counts["opn"] == 0):
            found.append(f"intent {number}: open {counts['opn']}, ended {record.get('end')}")
        told = Counter(COUNTERS[outcome[0]] for outcome in now.lane.get(f"outcomes:{number}", {}).values())
        if "er" not in record and any(told[name] != counts[name] for name in ("un", "fl", "sp", "cn", "ex")):
            found.append(f"intent {number}: counts {counts}, outcomes {dict(told)}")
        if number not in by_number or by_number[number][0] != record["id"]:
            found.append(f"intent {number} has no entry under its id {record['id']}")
        ended = [name for name in ("ended:succeeded", "ended:failed") if number in now[name]]
        if len(ended) != ("end" in record):
            found.append(f"intent {number} stands in {ended}")
        if (number in now["failures"]) != (counts["fl"] > 0):
            found.append(f"intent {number}: {counts['fl']} items failed, and the failures say otherwise")
    known = now.family("intent")
    for name in ("expiring", "outbox", "ended:succeeded", "ended:failed", "failures"):
        found += [f"{name} names intent {number}, which is not there" for number in now[name] if number not in known]
    strays = now.family("outcomes").keys() - known.keys()
    return found + [f"outcomes of intent {number}, which is not there" for number in strays]


def _item_log(now: Snapshot) -> list[str]:
    """It has an entry for each item of a small intent, and one for each larger intent: of those that are there, and of no others."""
    right: dict[str, Counter[str]] = {}
    for number, record in now.family("intent").items():
        block, place = divmod(int(number), LOG_BLOCK)
        items = record["it"].split(",")
        marks = [MARK_OF_MANY] if len(items) > MOST_MARKED else [mark_of(int(item)) for item in items]
        right.setdefault(str(block), Counter()).update(chr(place) + mark.decode() for mark in marks)
    told = {
        block: Counter(entries[at : at + 4] for at in range(0, len(entries), 4))
        for block, entries in now.family("item-log").items()
    }
    found = [
        f"item log: block {block} is not that of its intents" for block in right if told.get(block) != right[block]
    ]
    if not set(now["item-log-blocks"]) == set(told) == set(right):
        found.append(f"item log: {sorted(now['item-log-blocks'])} are named, {sorted(told)} are there")
    return found


def _groups(now: Snapshot) -> list[str]:
    refs = Counter(record["g"] for record in now.family("intent").values() if "g" in record)
    groups = now.family("group")
    found = [
        f"group {group}: {content['refs']} references are said, {refs[group]} are"
        for group, content in groups.items()
        if int(content["refs"]) != refs[group]
    ]
    named = {digest: group for group, content in groups.items() for digest in [content["digest"]]}
    if now["groups"] != named:
        found.append(f"groups names {now['groups']}, but there are {named}")
    return found


def _sets(now: Snapshot) -> list[str]:
    """What is counted of a change set is the sum over its intents. Nothing is forgotten here."""
    found = []
    right: dict[str, Counter[str]] = {}
    requests: dict[str, list[int]] = {}
    for record in now.family("intent").values():
        if "cs" in record:
            requests.setdefault(record["cs"], []).append(int(record.get("rq") or 0))
            counts = right.setdefault(record["cs"], Counter())
            counts["ended"] += "end" in record
            counts.update({name: int(record.get(name) or 0) for name in ("snt", *COUNTERS.values())})
    for number, told in now.family("set").items():
        counts = {name: int(count) for name, count in told.items() if name != "name"}
        of_intents, of_set = requests.get(number, [0]), counts.pop("rq", 0)
        if not max(of_intents) <= of_set <= sum(of_intents):  # one may have changes of several intents
            found.append(f"set {number} counts {of_set} requests, its intents {of_intents}")
        if +Counter(counts) != +right.get(number, Counter()):
            found.append(f"set {number} counts {counts}, its intents {dict(right.get(number, Counter()))}")
        facts = now.front.get(f"set-facts:{told['name']}", {})
        if facts.get("n") != number or "lane:default" not in facts:
            found.append(f"set {number} is {told['name']}, of which the front knows {facts}")
    for name in now.front.get("sets", {}):
        members, facts = now.front.get(f"set:{name}", {}), now.front.get(f"set-facts:{name}", {})
        if int(facts.get("intents", 0)) != len(members):
            found.append(f"set {name} has {len(members)} intents, and {facts}")
    return found


def _leftovers(now: Snapshot) -> list[str]:
    found = []
    if now.front.get("inbox"):
        found.append(f"{now.front['inbox']} intents in the inbox")
    if now.front.get("attempts"):
        found.append(f"attempts of entries that left the inbox: {now.front['attempts']}")
    if now.front.get("parked"):
        found.append(f"signatures parked for ever: {sorted(now.front['parked'])}")
    found += [
        f"{name} is not empty: {now[name]}"
        for name in (
            "cells",
            "shared",
            f"{ROUTE}full",
            f"{ROUTE}part",
            f"{ROUTE}since",
            "behind-of",
            "expiring",
            "stopping",
            "overwritten",
            "urgent",
            "due",
            "jobs",
            "checks",
            f"{ROUTE}lease",
            *(f"{SINGLES}{name}" for name in ("small", "fresh", "since", "sizes", "flight", "items", "due", "checks")),
            "outbox",
            "suspects",
            "looks",
            "look-claims",
            "later",
        )
        if now[name]
    ]
    found += [
        f"{name} is not empty: {sorted(now.family(name))}"
        for name in ("batch", "behind", "ready", "under", "look", "look-columns", "look-claim")
        if now.family(name)
    ]
    found += [
        f"intent id {intent_id} has no lane: {entry}"
        for intent_id, entry in now.front.get("ids", {}).items()
        if entry.count(":") < 2
    ]
    return found


CELERY_KEYS = ("celery-task-meta-", "_kombu.binding", "unacked", "feishu.", "backend")


def strangers(redis: Any, prefix: str) -> list[str]:
    """Keys of nobody, and results without an expiry."""
    keys = [key for key in redis.keys("*") if not key.startswith(f"{prefix}:")]
    found = [f"key of nobody: {key}" for key in keys if not any(name in key for name in CELERY_KEYS)]
    return found + [f"result without an expiry: {key}" for key in keys if "task-meta" in key and redis.pttl(key) == -1]
