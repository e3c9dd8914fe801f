"""Why a request is refused: one exception, one named constant per reason.

The vendor documents few exact pairs of cause and code. In other cases the code is one of the same class of errors
(bad request, this space, stop the lane, ...).
"""

from typing import NamedTuple


class Reason(NamedTuple):
    code: int
    http_status: int
    message: str


RATE_LIMIT = Reason(10429, 429, "API Request Frequency Limit")
IDEMPOTENCY_CLASH = Reason(10430, 429, "API Request Idempotent Limit")

TOKEN_NOT_EXIST = Reason(10021, 401, "Token Not Exist")
TOKEN_CHECK_FAILED = Reason(10022, 401, "Check Token Failed")
USER_KEY_MISSING = Reason(10211, 401, "Token Info Is Invalid: X-USER-KEY is missing")

PLUGIN_SECRET_WRONG = Reason(10204, 401, "Plugin Id Or Secret Is Wrong")
NO_PERMISSION = Reason(10301, 403, "Check Token Perm Failed")
USER_UNKNOWN = Reason(10023, 403, "User Not Exist")
USER_INACTIVE = Reason(10302, 403, "Check User Error")
NO_SUCH_ENDPOINT = Reason(10404, 404, "Resource Not Found")

PROJECT_KEY_WRONG = Reason(1000052062, 400, "Project Key Is Wrong")
TYPE_NOT_FOUND = Reason(30014, 400, "Work Item Type Not Found")

NOT_JSON = Reason(9999, 400, "Invalid Param: the body is not a JSON object")
INVALID_PARAM = Reason(20006, 400, "Invalid Param")
OPTION_UNKNOWN = Reason(20050, 400, "Field Option Is Not Found")
FIELD_NOT_FOUND = Reason(30009, 400, "Field Not Found")
FIELD_NOT_WRITABLE = Reason(20083, 400, "Field Cannot Be Updated In This Mode")
ITEM_NOT_FOUND = Reason(30005, 404, "Work Item Not Found")

# Of the endpoint for one item.
ITEM_FORBIDDEN = Reason(10001, 403, "No Permission")
ITEM_TERMINATED = Reason(20007, 400, "Work Item Is Already Aborted")
ITEM_ELSEWHERE = Reason(20014, 400, "Project And Work Item Not Match")
FIELD_UNUSABLE = Reason(20029, 400, "Field Cannot Be Used")
FIELD_TWICE = Reason(20083, 400, "Duplicate Field")
INTERCEPTED = Reason(20090, 400, "Request Intercepted")
# By the word of an option. A reason without a code is answered by its HTTP status alone, as by a gateway.
CLOSED_ENDPOINT = {
    "10301": NO_PERMISSION,
    "10404": NO_SUCH_ENDPOINT,
    "404": Reason(0, 404, "Not Found"),
    "405": Reason(0, 405, "Method Not Allowed"),
}

VIEW_NOT_FOUND = Reason(20006, 400, "Invalid Param: no such view")
VIEW_TOO_LARGE = Reason(50006, 400, "ErrOAPIViewOverLimit")
TOO_MANY_ITEMS = Reason(50006, 400, "ErrOAPIBatchUpdateOverLimit")
TRY_LATER = Reason(50006, 400, "please try again later")


class ApiError(Exception):
    """The request is answered with an error and changes nothing."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.message}: {detail}" if detail else reason.message)
        self.reason = reason


def by_code(code: int, http_status: int | None = None) -> Reason:
    return Reason(code, http_status or 400, "Refused As Asked For")


def refuse_by_code(code: int | None) -> None:
    """The refusal that the world file asks for; None refuses nothing."""
    if code is not None:
        raise ApiError(by_code(code))
