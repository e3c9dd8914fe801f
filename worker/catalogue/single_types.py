"""Which changes a single update may carry: those whose written value is the same for both endpoints."""

from typing import Final

from feishu_batch.intents import UpdateIntent, UpdateMode
from worker.remote.answers import normalised_type

PLAIN: Final = "p"
VERIFIED: Final = (
    "v"  # the endpoint is said to drop values of this type silently: each answer is verified by a read-back
)
NEVER: Final = ""

_KINDS: Final = {
    **dict.fromkeys(("text", "multi_pure_text", "number", "date", "bool", "link", "email", "telephone"), PLAIN),
    **dict.fromkeys(("select", "radio", "tree_select", "multi_select", "tree_multi_select"), PLAIN),
    **dict.fromkeys(("user", "multi_user"), PLAIN),
    **dict.fromkeys(("precise_date", "schedule"), VERIFIED),
    **dict.fromkeys(("work_item_related_select", "work_item_related_multi_select"), VERIFIED),
}


def single_kind(intent: UpdateIntent, field_type: str | None) -> str:
    """PLAIN, VERIFIED or NEVER. `field_type`: None if it is not known. APPEND and REPLACE exist on the batch endpoint only."""
    if intent.update_mode is not UpdateMode.UPDATE:
        return NEVER
    return _KINDS.get(normalised_type(field_type), NEVER)
