"""Whatever a table says, its intents leave the items with what each cell says by itself."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from feishu_batch.fake_fields import values_of
from worker.importing.row import Rejected
from worker.importing.rows import Format, read_rows
from worker.importing.table import Empty, Table
from worker.importing.wide.fields import UnknownFields
from worker.importing.wide.options import TableOptions

FIELDS = ("a", "b", "tags")
CELLS = st.sampled_from(["", "x", "y", " z", "#REF!", "long, with comma"])
ROWS = st.lists(st.tuples(st.integers(1, 12), st.tuples(CELLS, CELLS, CELLS)), min_size=1, max_size=30)


def naive(rows, empty):
    """Cell by cell: item → field → value; a cell that rows contradict each other about has none."""
    said = {}
    for item, cells in rows:
        for name, cell in zip(FIELDS, cells, strict=True):
            if cell == "#REF!" or (not cell and (empty is Empty.SKIP or name == "tags")):
                continue
            said.setdefault((item, name), []).append(cell or None)
    held = {}
    for (item, name), values in said.items():
        distinct = list(dict.fromkeys(values))
        if name == "tags":
            held.setdefault(item, {})[name] = set(distinct)
        elif len(distinct) == 1:
            held.setdefault(item, {})[name] = distinct[0]
    return held


@settings(max_examples=200, deadline=None)
@given(ROWS, st.sampled_from([Empty.SKIP, Empty.CLEAR]))
def test_a_table_means_what_its_cells_mean(rows, empty):
    text = io.StringIO()
    csv.writer(text).writerows([("id", *FIELDS), *((item, *cells) for item, cells in rows)])
    options = TableOptions("demo", "story", append=("tags",))
    table = Table(empty=empty, as_table=options, fields=lambda: UnknownFields("", lambda _word: True))
    made = list(read_rows(io.BytesIO(text.getvalue().encode()), Format.CSV, "x", table))
    intents = [row.intent for row in made if not isinstance(row, Rejected)]
    found = values_of(intents, lambda _intent, _item: True)
    for held in found.values():
        if "tags" in held:
            held["tags"] = set(held["tags"])
    assert found == naive(rows, empty)
    keys = [(i.field_key, i.update_mode, str(i.after_field_value)) for i in intents]
    assert len(keys) == len(set(keys)), "cells that agree travel together"
