"""Messages from other programs.

A message in an unexpected form must not end the worker, because it would be delivered again and again. Flower and `inspect` show
the intent of a message without its value.
"""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from celery.worker.strategy import default

from feishu_batch.intents import in_short

STRATEGY = "tasks.messages:checked"


def checked(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy discards a message if InvalidTaskError is raised; any other error ends its consumer."""
    handle = default(task, app, consumer, **options)

    def check(message: Any, body: Any, *rest: Any, **more: Any) -> Any:
        try:
            if body is None:
                _check_form(message.payload)
            return handle(message, body, *rest, **more)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            problem = str(error) if type(error) is ValueError else type(error).__name__
        raise InvalidTaskError(f"the message does not have Celery's form: {problem}")

    return check


def _check_form(payload: Any) -> None:
    """Arguments, keyword arguments, options: the second version of Celery's protocol. The first one is an object."""
    if isinstance(payload, dict) and "args" in payload:
        return
    kinds = [type(part) for part in payload] if isinstance(payload, list) else []
    if kinds not in ([list, dict, dict], [list, dict, type(None)]):
        raise ValueError("its body is not a list of arguments, keyword arguments and options")


class WithoutValue(Request):
    """The request of an intent without its value. Flower gets arguments from events, and by `inspect` from waiting messages."""

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._kwargsrepr = in_short({**self.kwargs, "intent_id": self.id})

    def info(self, safe: bool = True) -> dict[str, Any]:  # noqa: ARG002 - Celery's name
        shown: dict[str, Any] = super().info(safe=True)
        return shown
