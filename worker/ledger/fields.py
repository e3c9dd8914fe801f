"""The fields of the ledger's hashes, as far as Python reads or writes them by name. The Lua scripts use the same."""


class GroupField:
    """Of `LaneKeys.group`."""

    SPEC = "spec"  # JSON of `GroupSpec`
    COLUMN = "col"
    MODE = "mode"
    SPACE = "space"  # project key
    SINGLE = "one"  # present: single updates may write it; v: and are read back
    BIG = "big"  # 1: had more changes than the single route takes, and has not been empty since
    BARRED_UNTIL_MS = "bar"  # until then it goes by batches


class SingleField:
    """Of `SingleKeys.state`."""

    RATE = "rate"  # requests a second; 0 = off
    OFF_UNTIL_MS = "off"
    WHY_OFF = "why"
    ALONE = "alone"  # 1: an item is on one route at a time
    SORTED = "sorted"  # 1: all groups were ranked since the route was switched on
    SORTED_UP_TO = "from"
    TURN = "turn"  # of every fourth request it is an overdue group's


class BatchField:
    """Of `LaneKeys.batch`, as far as Python reads or writes them. Moments in ms by the ledger's clock."""

    GROUP = "g"  # of a single update: of its first change
    ROUTE = "rt"  # single; absent: batch
    PLACE = "pl"  # of a single update
    STATE = "state"  # `BatchState`
    PARTS = "parts"  # ``<column>:<item>:<number>`` of each change without an outcome, with commas
    SIZE = "size"  # how many it was sent with
    KIND = "kind"  # new, resend or reask
    TRIES = "tries"
    FENCE = "fence"  # number of the last send
    CLAIMED_AT_MS = "at"
    FIRST_SENT_AT_MS = "first"  # with this UUID
    SENT_AT_MS = "sent"
    ENTERED_AT_MS = "entered"  # its state
    IDEM_UUID = "idem"
    TOKEN = "token"  # noqa: S105 - the field of the token's fingerprint
    JOB = "task"
    LOG_ID = "log"  # of the acceptance
    POLLS = "polls"
    SEEN_RUNNING_AT_MS = "seen_running"
    WHY = "why"  # the last trouble
    # counters of its follow-up
    REASKS = "reasks"
    LOOKS = "looks"  # read-backs
    STRAY = "stray"  # a first job may still come: the cells stay closed
    VERIFY = "verify"  # not stored: the answer to this single update proves nothing alone
    VERIFYING = "verifying"  # a job's answer is proven by a read-back
    UNPROVEN = "unproven"  # items that the job did not report as done
    VERDICT = "verdict"  # what items get that no read-back proves
    MISSING_SINCE_MS = "missing_since"
    MISSING_LOOKS = "missing_looks"
    POLL_FAILURES = "poll_failures"
    READ_FAILURES = "read_failures"
    LOOKED = "looked"  # its cells were read before the request, which may have been sent since
    MAYBE_WRITTEN = "maybe"  # a request of it was accepted, or may have been executed
    LOOK_FAILURES = "look_failures"  # reads before the request that failed, in a row
    TOKEN_REJECTIONS = "token_rejections"  # noqa: S105 - a counter
    REJECTED_TOKEN = "rejected_token"  # noqa: S105 - a fingerprint
    NOW = "now"  # not stored: the moment of the step that handed the record out


class SlotField:
    """Of `LaneKeys.slot`. Times in µs."""

    ID = "id"  # of the last reservation
    NEXT = "next"  # the earliest moment of the next request
    AT = "at"  # the moment of that entry
    ASKED = "asked"  # when the last request was answered, or given up
    STRIKES = "strikes"  # failures in a row


REQUESTS_OF = "req:"  # in `LaneKeys.metrics`, before the kind: requests of every kind


class MetricField:
    """Of `LaneKeys.metrics`: what Python writes or reads by name."""

    RESUMED = "resumed"  # the last resume (ms)
    ROOM = "room"  # the first batch that ended since the last claim (ms)
    FULL = "full"  # '1': a claim found too many unfinished batches
    PAUSES = "pauses"
