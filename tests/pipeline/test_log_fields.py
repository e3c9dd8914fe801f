"""Log lines about a batch hold no value of a field where none is wanted, not even one that the remote system repeats."""

import pytest

from worker.ledger.records import Batch, Cell, GroupSpec, Part
from worker.pipeline.log_fields import NAMED_INTENTS, intents_of, said, values_of


def batch(after, before=None, intents=(3,)):
    spec = GroupSpec("space", "story", None, "field", "REPLACE", before, after)
    names = {"kind": "new", "idem_uuid": "", "token_fingerprint": "", "tries": 1}
    times = {"first_sent_at_ms": 0, "claimed_at_ms": 0, "fence": 1}
    return Batch(7, spec, tuple(Part(Cell(1, item), intent) for item, intent in enumerate(intents)), **names, **times)


@pytest.mark.parametrize(
    ("after", "text", "masked"),
    [
        ("a secret", "Value 'a secret' Is Wrong", "Value '…' Is Wrong"),
        ({"value": "option_9"}, "no option option_9", "no option …"),
        ([{"value": "一"}, {"value": "二"}], "未知选项: 一, 二", "未知选项: …, …"),
        (13, "13 is too small (code 20013)", "… is too small (code 20013)"),
        ({"value": "option_9"}, "选项option_9不存在", "选项…不存在"),
        ({"value": "option_9"}, "no option_90 or my_option_9", "no option_90 or my_option_9"),
        ("高优先级", "没有高优先级这个选项", "没有…这个选项"),
        ("高", "没有这个选项 (inner \\u9ad8)", "没有这个选项 (inner …)"),
        ("to be\nor not", "'or not' is wrong", "'…' is wrong"),
        ('a"b', 'invalid {"value":"a\\"b"}', 'invalid {"value":"…"}'),
        ("a long text that " * 40, "bad: a long text that a long t", "bad: …"),
        ("很长的文本" * 100, "值“很长的文本很长的文本很长的文本很长的...”不对", "值“…...”不对"),
        ("a (b", "not a (b here", "not … here"),
        ("", "Value Is Empty", "Value Is Empty"),
        (True, "True is no number", "True is no number"),
        (None, "Value Is Missing", "Value Is Missing"),
    ],
)
def test_a_value_that_is_repeated_is_masked_and_kept_for_who_may_see_it(after, text, masked):
    told = said("error", text, batch(after))
    assert told == ({"error": text} if masked == text else {"error": masked, "error_with_values": text})


def test_the_old_value_is_masked_as_well_and_the_longest_first():
    told = said("error", "neither abc nor abc def", batch("abc def", "abc"))
    assert told["error"] == "neither … nor …"


def test_what_is_reported_is_bounded():
    told = values_of(batch("x" * 10_000, ["old"]))
    assert (told["before_field_value"], len(told["after_field_value"])) == ('["old"]', 300)
    assert intents_of(batch("x", intents=[5, 5, *range(100)])) == list(range(NAMED_INTENTS))
