"""Values that break what was not written with them in mind."""

from hypothesis import strategies as st

from tests.support.strategies import recursive

SECRET = "sup3r-s3cret-value"
SURROGATE, NUL, BOM = "\ud800", "\x00", "\ufeff"
NASTY_TEXTS = [
    "", " ", SURROGATE, NUL, BOM, f"{BOM}x", '=HYPERLINK("http://x")', "@SUM(1)", "\r\n", "\u2028", "{}", "[", "NaN", "-0",
    "1e999", "9" * 400, "\\u0000", "%s%n", "{0.__class__}", "../../etc/passwd", "a" * 3000, "\U0001f600", "${jndi:x}", "__proto__",
]  # fmt: skip
NASTY_NUMBERS = [
    0,
    -1,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    10**400,
    float("nan"),
    float("inf"),
    -0.0,
    1e308,
    1.5,
    True,
]


def nested(levels: int) -> object:
    value: object = "core"
    for _ in range(levels):
        value = [value]
    return value


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NASTY_NUMBERS),
    st.integers(),
    st.floats(),
    st.sampled_from(NASTY_TEXTS),
    st.text(st.characters(), max_size=30),
)
anything = st.one_of(
    scalars,
    recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NASTY_TEXTS), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from([nested(33), {"value": nested(60)}, list(range(10_001))]),
    st.binary(max_size=5),
    st.sampled_from([{1: 2}, {None: 1}, {1, 2}, object, b"\xff", ("a",)]),
)

GOOD = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1, 2],
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
    "after_field_value": "x",
}
KEYS = [
    *GOOD,
    "intent_id",
    "before_field_value",
    "user_key",
    "lane",
    "priority",
    "expires_at",
    "keep_every_change",
    "note",
    "x",
]
# A good intent with a few of its keys spoilt: deeper than noise, which fails at the first check.
spoilt = st.dictionaries(st.sampled_from(KEYS), anything, max_size=3).map(lambda change: {**GOOD, **change})


def is_clear(message: str) -> bool:
    """Encodable, bounded, and no traceback."""
    return 0 < len(message.encode()) < 6000 and "Traceback" not in message
