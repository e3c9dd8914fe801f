"""The values and modes of each field type, from the official page.

A type that is not listed here is not checked, nor are business, group_type, role_owners and compound_field, which the page lists
as "UPDATE, see elsewhere": too little is known about them to refuse a value.
"""

from collections.abc import Mapping

from feishu_batch.intents import UpdateMode
from worker.remote.models import CALCULATED, NEVER_WRITABLE_TYPES, Field

TEXT_TYPES = frozenset({"text", "multi_pure_text", "multi_text", "link", "email", "telephone"})
USER_TYPES = frozenset({"user", "multi_user"})
_OVERWRITE = frozenset({UpdateMode.UPDATE})
_SINGLE = frozenset({UpdateMode.UPDATE, UpdateMode.REPLACE})
_EVERY = frozenset(UpdateMode)

# A cascading relation allows UPDATE only, but the catalogue does not show which are cascading: the remote system decides.
MODES: Mapping[str, frozenset[UpdateMode]] = {
    **dict.fromkeys((*TEXT_TYPES, "link_cloud_doc", "number", "date", "precise_date", "schedule", "bool"), _OVERWRITE),
    "tree_multi_select": _OVERWRITE,
    **dict.fromkeys(("select", "radio", "tree_select", "user", "work_item_related_select"), _SINGLE),
    **dict.fromkeys(("multi_select", "multi_user", "work_item_related_multi_select"), _EVERY),
}


def is_calculated(field: Field) -> bool:
    return field.value_generate_mode == CALCULATED


def is_never_writable(field: Field) -> bool:
    return field.type_key in NEVER_WRITABLE_TYPES


def modes_of(field: Field) -> tuple[UpdateMode, ...]:
    """The modes that are not refused, in the order of the enumeration."""
    if field.is_obsolete or not field.is_writable:
        return ()
    allowed = MODES.get(field.type_key, _EVERY)
    return tuple(mode for mode in UpdateMode if mode in allowed)
