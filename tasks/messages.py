"""Messages as others write them.

One in a form that Celery does not expect must not end the worker: nobody could remove it from the queue any more. And what a
message says of an intent is shown, by Flower and `inspect`, without its value.
"""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from celery.worker.strategy import default

from feishu_batch.intents import in_short

STRATEGY = "tasks.messages:checked"


def checked(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy. It discards what InvalidTaskError is raised for; any other error ends its consumer."""
    handle = default(task, app, consumer, **options)

    def check(message: Any, body: Any, *rest: Any, **more: Any) -> Any:
        try:
            if body is None:
                _check_form(message.payload)
            return handle(message, body, *rest, **more)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            problem = str(error) if type(error) is ValueError else type(error).__name__
        raise InvalidTaskError(f"the message is none of Celery's: {problem}")

    return check


def _check_form(payload: Any) -> None:
    """Arguments, keyword arguments, embedded: the second version of Celery's protocol. The first is an object."""
    if isinstance(payload, dict) and "args" in payload:
        return
    kinds = [type(part) for part in payload] if isinstance(payload, list) else []
    if kinds not in ([list, dict, dict], [list, dict, type(None)]):
        raise ValueError("its body is not a list of arguments, keyword arguments and options")


class WithoutValue(Request):
    """Of an intent. Flower hears of its arguments in events, and reads those of waiting messages by `inspect`."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._kwargsrepr = in_short({**self.kwargs, "intent_id": self.id})

    def info(self, safe: bool = True) -> dict[str, Any]:  # noqa: ARG002 - Celery's name
        told: dict[str, Any] = super().info(safe=True)
        return told
