from typing import Any

PROJECT_KEY = "5f0c1a2b3c4d5e6f70818283"


def content(**changes: Any) -> dict[str, Any]:
    """A well-formed intent as a producer gives it; `changes` replace or add keys, `...` removes one."""
    whole = {
        "project_key": PROJECT_KEY,
        "work_item_type_key": "story",
        "work_item_ids": [101],
        "field_key": "priority",
        "update_mode": "UPDATE",
        "after_field_value": {"value": "p0"},
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}
