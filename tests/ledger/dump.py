"""All that a lane has in Redis, in the words of the model: without moments in time, which no model can foresee."""

from feishu_batch.outcomes import OutcomeKind

COUNTERS = {
    "fence",
    "batch-sequence",
    "group-sequence",
    "recent",
    "overdue-turn-in",
    "pause",
    "clock",
    "ticks",
    "urgent",
    "places",
    "metrics",
    "looks",
    "look-claims",
    "look-sequence",
}
NOT_MODELLED = ("look:", "look-share:", "look-claim:", "item-log", "columns-of:", "route:single:")
SETS = {
    "since",
    "expiring",
    "stopping",
    "open-intents",
    "outbox",
    "ended:failed",
    "failures",
    "ended:succeeded",
    "due",
    "jobs",
    "checks",
}
USUAL = "*"
RANKED = {"full", "part"}
READ = {
    "hash": lambda pipe, key: pipe.hgetall(key),
    "list": lambda pipe, key: pipe.lrange(key, 0, -1),
    "zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    "string": lambda pipe, key: pipe.get(key),
}


def dump(redis, prefix):
    """Key without the prefix → content. `prefix` is a literal without wildcards."""
    keys = [
        key
        for key in redis.keys(f"{prefix}*")
        if _name(key, prefix) not in COUNTERS and not _name(key, prefix).startswith(NOT_MODELLED)
    ]
    pipe = redis.pipeline(transaction=False)
    for key in keys:
        pipe.type(key)
    kinds = pipe.execute()
    for key, kind in zip(keys, kinds, strict=True):
        READ[kind](pipe, key)
    contents = dict(zip((_name(key, prefix) for key in keys), pipe.execute(), strict=True))
    for name, columns in contents.items():
        if name.startswith("look-columns:"):
            waiting = redis.zrange(f"{prefix}look:{name.partition(':')[2]}", 0, -1)
            contents[name] = columns_that_wait(columns, waiting)
    return {name: _normal(name, content) for name, content in contents.items()}


def columns_that_wait(columns, items):
    """Item → its columns. Those of most have no entry of their own."""
    usual = columns.get(USUAL)
    own = {item: told for item, told in columns.items() if item != USUAL}
    return dict.fromkeys(items, usual) | own


def _name(key, prefix):
    return key.removeprefix(prefix).removeprefix("route:batch:")


def _normal(name, content):
    kind = name.partition(":")[0]
    if name in SETS:
        return {int(member) for member, _ in content}
    if name in RANKED or kind == "ready":
        return {member: int(score) for member, score in content}
    if kind == "under":
        return [int(member) for member, _ in content]
    if name == "overwritten":
        return [entry.partition(" ")[0] for entry in content]
    if kind == "look-columns":
        return {item: set(filter(None, columns.split(","))) for item, columns in content.items()}
    if name in {"groups", "columns"}:
        return {member: int(number) for member, number in content.items()}
    if kind == "set":
        return {field: text if field == "name" else int(text) for field, text in content.items() if text != "0"}
    if kind == "behind":
        return [int(number) for number in content]
    return {"intent": _intent, "outcomes": _outcomes, "batch": _batch, "group": _group, "lease": _lease}.get(
        kind, lambda whole: whole
    )(content)


def _intent(fields):
    def number(name):
        return int(fields[name]) if fields.get(name, "0") != "0" else None

    names = (*(kind.field for kind in OutcomeKind), "snt", "rq")
    counts = {name: number(name) for name in names}
    return {
        "tot": int(fields["tot"]),
        "opn": int(fields["opn"]),
        "nx": number("nx"),
        **counts,
        "end": "end" in fields,
    }


def _outcomes(fields):
    return {item: outcome[0] for item, outcome in fields.items()}


def _batch(fields):
    told = {name: fields[name] for name in ("g", "parts", "state", "kind", "tries", "size")}
    return {**told, "blocks": "blocks" in fields}


def _group(fields):
    return {"digest": fields["digest"], "refs": int(fields["refs"])}


def _lease(fields):
    return {"owner": fields["owner"], "batch": int(fields["batch"])}
