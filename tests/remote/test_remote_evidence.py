"""What each answer to a write, and to a read, stands for: every body under every kind of HTTP status, in one table."""

import pytest

from config.remote_facts import ErrorClass
from worker.remote.codes import DEFAULT_TABLE, classify, error_table
from worker.remote.envelope import Envelope
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    SpaceRefused,
    TokenRejected,
)

WORDS = {
    "ok": type(None),
    "?": OutcomeUnknown,
    "clash": IdempotencyClash,
    "rate": RateLimited,
    "token": TokenRejected,
    "lane": LaneStopped,
    "space": SpaceRefused,
    "batch": BatchRefused,
    "again": NotExecuted,
}
# Every status that an answer can have belongs to one column.
COLUMNS = {
    "2xx": range(200, 300),  # the API's own answer
    "4xx": [status for status in range(400, 500) if status not in (408, 429, 460, 499)],  # the same
    "429": [429],  # a limiter refuses before anything is done, the API's own or a gateway's
    "4gw": [408, 460, 499],  # a gateway stopped waiting: the request may be at work
    "3xx": range(300, 400),  # a redirect may follow upon a POST that was carried out
    "5xx": [
        *{*range(500, 600)} - {502, 503, 504, *range(520, 531)},
        600,
        999,
    ],  # it broke on the way, maybe after the change
    "5gw": [502, 503, 504, *range(520, 531)],  # a gateway speaks, and what it quotes may be of another request
}
OTHER = 424242  # a code that stands in no list
BODIES = {
    "none": Envelope(None, "the answer is not an API answer"),
    "success": Envelope(0, "", data={"task_id": "J"}),
    "rate limit": Envelope(10429, "slow down"),
    "clash": Envelope(10430, "repeated"),
    "token": Envelope(10022, "expired"),
    "lane": Envelope(99991403, "quota"),
    "space": Envelope(30001, "no such space"),
    "batch": Envelope(20006, "invalid"),
    "item": Envelope(20014, "an item is bad"),
    "transient": Envelope(50007, "busy"),
    "transient on a read": Envelope(30019, "busy"),
    "50006, try again later": Envelope(50006, "openapi system err, please try again later"),
    "50006, database": Envelope(50006, "RPC Call Error", inner_message="fail to read/write db"),
    "50006, both": Envelope(50006, "please try again later", inner_message="fail to Read/Write DB"),
    "50006, time-out": Envelope(50006, "rpc timeout, please try again later"),
    "50006, too many": Envelope(50006, "ErrOAPIBatchUpdateOverLimit"),
    "50006, no right": Envelope(50006, "RPC Call Error", inner_message="No right to edit"),
    "50006, over its limit": Envelope(50006, "WorkItemValue limit exceeded"),
    "50006, other": Envelope(50006, "RPC Call Error"),
    "50007, database": Envelope(50007, "read/write db"),
    "not listed": Envelope(OTHER, "no"),
    "not listed, time-out": Envelope(OTHER, "context deadline exceeded"),
    "with a job": Envelope(50007, "busy", data={"task_id": "J"}),
    "a clash inside": Envelope(10429, "slow down", inner_code=10430),
    "unknown inside": Envelope(50007, "busy", inner_code=50006, inner_message="RPC Call Error"),
}
# A write. Only what proves that nothing was executed is anything but "?" (and a clash, which claims no such thing).
WRITE = """
                        2xx    4xx    429    4gw  3xx  5xx  5gw
none                    ?      ?      rate   ?    ?    ?    ?
success                 ok     ?      ?      ?    ?    ?    ?
rate limit              rate   rate   rate   ?    ?    ?    ?
clash                   clash  clash  clash  clash clash clash clash
token                   token  token  token  ?    ?    ?    ?
lane                    lane   lane   lane   ?    ?    ?    ?
space                   space  space  space  ?    ?    ?    ?
batch                   batch  batch  batch  ?    ?    ?    ?
item                    batch  batch  batch  ?    ?    ?    ?
transient               again  again  again  ?    ?    ?    ?
transient on a read     batch  batch  batch  ?    ?    ?    ?
50006, try again later  again  again  again  ?    ?    ?    ?
50006, database         ?      ?      ?      ?    ?    ?    ?
50006, both             ?      ?      ?      ?    ?    ?    ?
50006, time-out         ?      ?      ?      ?    ?    ?    ?
50006, too many         batch  batch  batch  ?    ?    ?    ?
50006, no right         batch  batch  batch  ?    ?    ?    ?
50006, over its limit   batch  batch  batch  ?    ?    ?    ?
50006, other            ?      ?      ?      ?    ?    ?    ?
50007, database         ?      ?      ?      ?    ?    ?    ?
not listed              batch  batch  rate   ?    ?    ?    ?
not listed, time-out    ?      ?      ?      ?    ?    ?    ?
with a job              ?      ?      ?      ?    ?    ?    ?
a clash inside          clash  clash  clash  clash clash clash clash
unknown inside          ?      ?      ?      ?    ?    ?    ?
"""
# A read, the log-in among them, leaves nothing behind: in doubt it is sent again. What a gateway says pauses nothing and fails nobody.
READ = """
                        2xx    4xx    429    4gw  3xx    5xx    5gw
none                    again  again  rate   again lane  again  again
success                 ok     ok     ok     again ok    ok     again
rate limit              rate   rate   rate   rate rate   rate   rate
clash                   clash  clash  clash  again clash clash  again
token                   token  token  token  again token token  again
lane                    lane   lane   lane   again lane  lane   again
space                   space  space  space  again space space  again
batch                   batch  batch  batch  again batch batch  again
item                    batch  batch  batch  again batch batch  again
transient               again  again  again  again again again  again
transient on a read     again  again  again  again again again  again
50006, try again later  again  again  again  again again again  again
50006, database         again  again  again  again again again  again
50006, both             again  again  again  again again again  again
50006, time-out         again  again  again  again again again  again
50006, too many         batch  batch  batch  again batch batch  again
50006, no right         batch  batch  batch  again batch batch  again
50006, over its limit   batch  batch  batch  again batch batch  again
50006, other            again  again  again  again again again  again
50007, database         again  again  again  again again again  again
not listed              batch  batch  rate   again lane  again  again
not listed, time-out    batch  batch  rate   again lane  again  again
with a job              again  again  again  again again again  again
a clash inside          rate   rate   rate   rate rate   rate   rate
unknown inside          again  again  again  again again again  again
"""


def rows(table):
    heads, *lines = table.strip("\n").splitlines()
    for line in lines:
        body, words = line[:24].strip(), line[24:].split()
        yield from ((body, column, word) for column, word in zip(heads.split(), words, strict=True))


def test_the_table_is_complete():
    statuses = [status for column in COLUMNS.values() for status in column]
    assert len(statuses) == len(set(statuses))
    assert {*range(200, 600)} <= set(statuses)
    for table in (WRITE, READ):
        told = [(body, column) for body, column, _ in rows(table)]
        assert sorted(told) == sorted((body, column) for body in BODIES for column in COLUMNS)
    kinds = {DEFAULT_TABLE.rules[body.code].kind for body in BODIES.values() if body.code in DEFAULT_TABLE.rules}
    assert kinds == set(ErrorClass) - {ErrorClass.UNKNOWN}  # which is a rule of ERROR_CLASSES only, see below


@pytest.mark.parametrize(("body", "column", "word"), [*rows(WRITE)])
def test_an_answer_to_a_write_is_believed_as_far_as_it_proves_anything(body, column, word):
    for status in COLUMNS[column]:
        assert type(classify(BODIES[body], status, write=True)) is WORDS[word], status


@pytest.mark.parametrize(("body", "column", "word"), [*rows(READ)])
def test_an_answer_to_a_read_may_always_be_asked_for_again(body, column, word):
    for status in COLUMNS[column]:
        assert type(classify(BODIES[body], status, write=False)) is WORDS[word], status


@pytest.mark.parametrize("code", sorted({*DEFAULT_TABLE.rules, OTHER}))
def test_no_code_makes_a_proof_of_a_gateways_answer(code):
    for status in (*range(300, 400), 408, 460, 499, *range(500, 600)):
        error = classify(Envelope(code, "no"), status, write=True)
        assert isinstance(error, OutcomeUnknown | IdempotencyClash), status


@pytest.mark.parametrize("kind", ErrorClass)
def test_the_settings_can_move_a_code_and_not_what_a_gateway_proves(kind):
    table = error_table({777: kind}, ("read/write db",))
    error = classify(Envelope(777, "busy"), 504, write=True, table=table)
    assert isinstance(error, OutcomeUnknown | IdempotencyClash)
    moved = error_table({777: "transient"}, ("read/write db",))
    assert isinstance(classify(Envelope(777, "read/write db"), 200, write=True, table=moved), NotExecuted)
