"""What the remote system's codes and words mean, and what to do: beside `codes.py`, which says what the workers do.

Meanings come from official pages and restatements of them. Where no page describes a code, the meaning is that of its class.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from config.remote_facts import ErrorClass
from feishu_batch.explained import Explanation
from worker.remote.codes import DEFAULT_RULES, THE_CREDENTIALS, THE_USER_KEY

# What the workers do about a code of the class.
POLICIES: Final[Mapping[ErrorClass, str]] = MappingProxyType(
    {
        ErrorClass.RATE_LIMIT: "The request was not executed. The lane waits longer between requests and sends it again.",
        ErrorClass.CLASH: "The first request with this id arrived. The workers read the items back.",
        ErrorClass.TOKEN: "The workers fetch a new token and repeat the request once. Refused again, the lane pauses.",
        ErrorClass.LANE: "The lane pauses and keeps every intent, unless only one space or user is refused: then those items fail.",
        ErrorClass.SPACE: "The items of that space and type fail for a while without a request. Everything else continues.",
        ErrorClass.BATCH: "All items of the request fail.",
        ErrorClass.ITEM: "The workers halve the request until the item at fault is alone. It fails, the others are sent.",
        ErrorClass.TRANSIENT: "The request was not executed. The workers wait and send it again.",
        ErrorClass.TRANSIENT_READ: "A read is repeated. A write fails as a bad request.",
        ErrorClass.BY_TEXT: "The text of the answer decides: sent again, halved, or treated as an unknown outcome.",
        ErrorClass.UNKNOWN: "The request may be executed. The workers ask again with the same id, then read the items back.",
    }
)

_NOTHING: Final = "Nothing: the workers deal with it."
_THE_VALUE: Final = "Correct the value: `feishu-batch fields` shows what the field takes. Then enqueue it again."
_THE_FIELD: Final = "Correct the field: `feishu-batch fields` lists the fields of the type. Then enqueue it again."
_THE_SPACE: Final = (
    "Correct the space: its key has 24 hex digits. Check that the plugin is installed there, then `feishu-batch retry`."
)
_THE_TYPE: Final = "Correct the item type, then enqueue it again."
_THE_MESSAGE: Final = (
    "The reason holds the remote system's message, which names the parameter. Correct it and enqueue it again."
)
_A_BAD_PARAMETER: Final = "A parameter of the request is wrong or missing."

_EXPLAINED: Final[Mapping[int, Explanation]] = {
    9999: Explanation("The body of the request cannot be used.", _THE_MESSAGE),
    10001: Explanation(
        "The acting user may not change this item.",
        "Give the user the right, or name another `user_key`. Then `feishu-batch retry`.",
    ),
    10021: Explanation("The remote system does not know the token.", f"If the lane pauses: check {THE_CREDENTIALS}."),
    10022: Explanation("The token is not valid any more.", f"If the lane pauses: check {THE_CREDENTIALS}."),
    10023: Explanation("The acting user does not exist.", ""),
    10204: Explanation("The plugin id or the plugin secret is wrong.", ""),
    10211: Explanation(
        "The token is not valid, or the request names no user.",
        f"If the lane pauses: check {THE_CREDENTIALS} and {THE_USER_KEY}.",
    ),
    10301: Explanation("The plugin or its user has no permission for the call.", ""),
    10302: Explanation("The acting user has left the company or cannot be used.", ""),
    10404: Explanation("The acting user has no access to the space.", ""),
    10429: Explanation(
        "Too many requests in a second.", "Nothing. If it is frequent, another program uses the same plugin."
    ),
    10430: Explanation("A request with the same `X-IDEM-UUID` arrived before.", _NOTHING),
    20006: Explanation("A parameter is not valid, often the value.", _THE_VALUE),
    20007: Explanation(
        "The work item is terminated.", "Restore the item in Feishu Project, then `feishu-batch retry`."
    ),
    20014: Explanation(
        "The item does not belong to this space.", "Correct the id or the space, then enqueue it again."
    ),
    20028: Explanation("A call names more than 50 items.", "Report it: the workers never send more than 50."),
    20029: Explanation("A field cannot be used; its key is in the message.", _THE_FIELD),
    20039: Explanation("The request names no acting user.", ""),
    20042: Explanation("The user key has a wrong form.", ""),
    20050: Explanation("The field has no such option.", _THE_VALUE),
    20083: Explanation("The field is named twice, or cannot be updated in this mode.", _THE_FIELD),
    20090: Explanation(
        "A rule of the space intercepted the change, or the field is calculated.",
        "Look at the rules of the space, then `feishu-batch retry`.",
    ),
    30001: Explanation("The space, or what belongs to it, was not found.", _THE_SPACE),
    30005: Explanation("The work item was not found.", "Correct the id; a deleted item cannot be changed."),
    30006: Explanation("The acting user was not found.", ""),
    30009: Explanation("The field was not found.", _THE_FIELD),
    30014: Explanation("The item type was not found in the space.", _THE_TYPE),
    30016: Explanation("The item type, or what belongs to it, was not found.", _THE_TYPE),
    30019: Explanation("The remote system could not read now.", _NOTHING),
    50005: Explanation("The remote system failed inside.", _NOTHING),
    50006: Explanation(
        "Several errors share this code: too many items, no right to edit, a value over its limit, *please try again later*, "
        "a database that failed.",
        "The workers deal with it. If an item fails with it, the reason says why: give the acting user the right, or write a "
        "smaller value. Then `feishu-batch retry`.",
    ),
    50007: Explanation("The remote system failed inside.", _NOTHING),
    99991400: Explanation(
        "Too many requests in a second.", "Nothing. If it is frequent, another program uses the same plugin."
    ),
    99991403: Explanation("The API quota of this month is used up.", ""),
    1000051743: Explanation("The plugin may not call the API.", ""),
    1000051942: Explanation("The API quota of the tenant is used up.", ""),
    1000052062: Explanation("The key of the space is wrong.", _THE_SPACE),
    1000052063: Explanation("There is no space of this simple name.", _THE_SPACE),
}


def meaning_of(code: int) -> Explanation:
    """Of a code of the built-in table. KeyError for any other."""
    advice = DEFAULT_RULES[code].advice
    found = _EXPLAINED.get(code, Explanation(_A_BAD_PARAMETER, _THE_MESSAGE))
    return Explanation(found.meaning, advice or found.advice)


# The reasons that a job gives for the items that it refused. Others are kept as they come.
SCENES: Final[Mapping[str, Explanation]] = MappingProxyType(
    {
        "WorkItemTerminated": Explanation(
            "The work item is terminated or closed.", "Reopen the item in Feishu Project, then `feishu-batch retry`."
        ),
        "NoPermissionToModify": Explanation(
            "The acting user may not change this field of this item.",
            "Give the user the right, or name another `user_key`. Then `feishu-batch retry`.",
        ),
        "DuplicationCheckEnabledForThisField": Explanation(
            "The field does not allow a value that another item has.", "Choose another value, or switch the check off."
        ),
        "RelationCaseLoops": Explanation(
            "The relation would make an item its own ancestor.", "Correct the related item, then enqueue it again."
        ),
        "RelationCaseLevelExceeds": Explanation(
            "The relation would nest items deeper than allowed.", "Correct the related item, then enqueue it again."
        ),
    }
)
