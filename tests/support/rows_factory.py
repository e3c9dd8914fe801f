"""CSV files for tests."""

import csv
import io

PROJECT = "5f0c1a2b3c4d5e6f70818283"
HEADER = ("project_key", "work_item_type_key", "work_item_ids", "field_key", "update_mode", "after_field_value")


def row(items="1001", field="priority", mode="UPDATE", after='{"value": "option_1"}', *more):
    return [PROJECT, "story", items, field, mode, after, *more]


def csv_text(*rows, header=HEADER, **dialect) -> str:
    out = io.StringIO()
    csv.writer(out, **{"lineterminator": "\n", **dialect}).writerows([header, *rows])
    return out.getvalue()
