"""A message in a form that Celery does not expect must not end the worker: nobody could remove it from the queue any more."""

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

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
