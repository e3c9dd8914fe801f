"""Refusals of a request: an HTTP status, a key of the page's words and its values; for programs also the sentence in English."""

from starlette.responses import JSONResponse

from worker.web.languages import in_english


class OrderRefusedError(Exception):
    """What was asked for cannot be done. `key`: of the words."""

    def __init__(self, status: int, key: str, **values: str) -> None:
        super().__init__(in_english(key, **values))
        self.status, self.key, self.values = status, key, values


def refused(status: int, key: str, **values: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004 - HTTP's number
    return JSONResponse({"error": in_english(key, **values), "key": key, "values": values}, status, headers)
