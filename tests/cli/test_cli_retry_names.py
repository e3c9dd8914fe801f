"""`retry` and names: whether a later change is of the same field is judged by what the words of both mean."""

import time

import pytest
from pydantic import TypeAdapter

from feishu_batch import parse_intent
from tests.cli.test_cli_retry import later, retried
from tests.cli.test_cli_retry_refused import refused  # noqa: F401 - a fixture
from tests.support.rows_factory import PROJECT
from worker.catalogue.lane_catalogue import Fields
from worker.catalogue.lookup import LookedUp
from worker.remote.models import Field

OWN = "field_a1b2c3"
FIELDS = (
    Field(key="priority", name="Priority", alias="", type_key="select"),
    Field(key=OWN, name="Stage", alias="stage", type_key="text"),
    Field(key="field_ffffff", name="Note", alias="note", type_key="text"),
)


@pytest.fixture
def known(redis, prefix):
    """What the workers looked up, as they keep it."""

    def keep(*, lane="default", fields=FIELDS, space="mobile"):
        kept = TypeAdapter(LookedUp[Fields]).dump_json(LookedUp(tuple(fields), time.time()))
        redis.set(f"{prefix}:{{{lane}}}:catalogue:{PROJECT} story", kept)
        redis.set(
            f"{prefix}:{{{lane}}}:space:{space}", TypeAdapter(LookedUp[str]).dump_json(LookedUp(PROJECT, time.time()))
        )

    return keep


# how the failed one called its field, its code, how the later one did → is it left, if the fields are known; if they are not
CALLED = [
    ("stage", "30009", OWN, "overtaken", "perhaps_overtaken"),
    ("Stage", "30009", OWN, "overtaken", "perhaps_overtaken"),
    ("STAGE", "30009", OWN, "overtaken", "perhaps_overtaken"),
    ("stage", "30009", "field_ffffff", None, "perhaps_overtaken"),
    ("stage", "30009", "priority", None, "perhaps_overtaken"),
    ("Priority", "30009", "priority", "overtaken", "perhaps_overtaken"),
    ("PRIORITY", "30009", OWN, None, "perhaps_overtaken"),
    ("priority", "30009", "field_ffffff", None, "perhaps_overtaken"),
    ("priority", "20050", "priority", "overtaken", "overtaken"),
    ("priority", "20050", "owner", None, None),
    ("nothing_like_it", "30009", OWN, "perhaps_overtaken", "perhaps_overtaken"),
    (OWN, "30009", OWN, "overtaken", "overtaken"),
    (OWN, "20050", "stage", "overtaken", "overtaken"),
    (OWN, "20050", "Stage", "overtaken", "overtaken"),
    (OWN, "20050", "note", None, "overtaken"),
    (OWN, "20050", "field_ffffff", None, None),
]


@pytest.mark.parametrize("is_known", [True, False], ids=["fields known", "nothing known"])
@pytest.mark.parametrize("row", CALLED, ids=lambda row: " then ".join((row[0], row[2])))
def test_what_was_sent_by_a_name_is_not_put_over_what_came_later_by_the_key(command, ledger, known, row, is_known):
    first, code, second, if_known, if_not = row
    later(command, ledger, 1, field=first, failing={1: code})
    later(command, ledger, 1, field=second)
    if is_known:
        known()
    left = if_known if is_known else if_not
    document = retried(command, "--all", "--dry-run", code=int(left is not None))
    assert document["skipped"] == ({left: 1} if left else {})


@pytest.mark.parametrize("space", [PROJECT, "mobile"])
@pytest.mark.parametrize("word", ["Stage", "stage", OWN])
def test_what_was_refused_is_judged_by_what_its_words_mean(command, ledger, refused, known, word, space):  # noqa: F811
    """Another field of the item is no conflict once the words are known, whatever they are."""
    changed = refused(1, 2, 3, field=word, project_key=space)
    later(command, ledger, 1, field=OWN)
    later(command, ledger, 2, field="field_ffffff")
    command.enqueue(3, field="Note")  # waits in the inbox
    known()
    [told] = retried(command, "--intent", changed, code=1)["intents"]
    assert (told["items"], told["skipped"]) == ([2, 3], {"overtaken": [1]})
    again = parse_intent(ledger.in_inbox()[-1].payload)
    assert (again.project_key, again.field_key) == (PROJECT, OWN), "it is enqueued as it was judged"


def test_the_newest_knowledge_of_any_lane_counts(command, ledger, refused, known, redis, prefix):  # noqa: F811
    known(lane="default", fields=FIELDS[:1])
    known(lane="other", fields=FIELDS)
    intent = refused(1, field="stage")
    later(command, ledger, 1, field=OWN)
    assert retried(command, "--intent", intent, "--dry-run", code=1)["skipped"] == {"perhaps_overtaken": 1}
    known(lane="default")
    assert retried(command, "--intent", intent, "--dry-run", code=1)["skipped"] == {"overtaken": 1}


def test_with_the_catalogue_switched_off_words_are_keys(command, ledger, known):
    known()
    command.env["FEISHU_BATCH_CATALOGUE"] = "off"
    later(command, ledger, 1, field="stage", failing={1: "30009"})
    later(command, ledger, 1, field=OWN)
    assert retried(command, "--all", "--dry-run")["items"] == 1
    later(command, ledger, 1, field="stage")
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}
