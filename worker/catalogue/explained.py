"""What the codes of the field catalogue mean, and what to do: beside `Code`. Each item of a refused intent fails with one of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from feishu_batch.explained import Explanation
from worker.catalogue.models import RETRY, Code

_FIELDS: Final = "`feishu-batch fields --space KEY --type KEY` lists them"
_AGAIN: Final = "Correct it and enqueue it again."

EXPLAINED: Final[Mapping[Code, Explanation]] = MappingProxyType(
    {
        Code.UNKNOWN_SPACE: Explanation(
            "The plugin and its user see no space of this simple name.",
            "Correct the name, or give the space's key. Check that the plugin is installed in the space.",
        ),
        Code.UNKNOWN_TYPE: Explanation(
            "The space has no item type of this key. The reason names the nearest.",
            "Correct the type, then enqueue it again.",
        ),
        Code.UNKNOWN_FIELD: Explanation(
            "The item type has no field of this key, alias or name. The reason names the nearest.",
            f"Correct the field ({_FIELDS}), then enqueue it again.",
        ),
        Code.AMBIGUOUS: Explanation(
            "Several fields or options have this name. The reason names their keys.",
            "Give the key, then enqueue it again.",
        ),
        Code.OBSOLETE_FIELD: Explanation("The field is obsolete.", "Use the field that replaces it."),
        Code.CALCULATED_FIELD: Explanation(
            "Feishu Project calculates the field.", "Change the fields that it is calculated from."
        ),
        Code.NOT_WRITABLE: Explanation(
            "A field of this type can never be written through this API (files, votes, signals).",
            "Change it in Feishu Project.",
        ),
        Code.MODE_NOT_ALLOWED: Explanation(
            "The field's type does not take this update mode. The reason names those it takes.", _AGAIN
        ),
        Code.BAD_VALUE: Explanation(
            "The value cannot be of the field's type, or has two readings. The reason names the form that is taken.",
            _AGAIN,
        ),
        Code.UNKNOWN_OPTION: Explanation(
            "The field has no such option. The reason names the nearest, or all.", f"Correct the option ({_FIELDS})."
        ),
        Code.DISABLED_OPTION: Explanation(
            "The option is disabled. Only REPLACE may name one, as the value to remove.",
            "Use an enabled option, which the reason names.",
        ),
        Code.UNKNOWN_PERSON: Explanation(
            "No user has this e-mail address or user key.", "Correct the address, or give the user key."
        ),
        Code.CANNOT_RESOLVE: Explanation(
            "A name could not be looked up, because the remote system does not answer or the lane is paused. "
            "A name is never sent in place of a key.",
            f"Give the key; or fix the lane, then `{RETRY}`.",
        ),
    }
)
