"""The one place where secrets are removed from the remote system's answers, before they are stored, shown or logged."""

from collections import deque
from collections.abc import Mapping
from typing import Any

MASK = "**********"
KNOWN_TOKENS = 4  # the current one, and older ones that may still be valid
SHORTEST = 5  # characters; shorter texts occur by chance, and masking them would damage answers
# The only values that are not masked. The log-in's answer is the token, and a cell that is read back is compared with
# the written value; neither is shown or logged, and only the token is stored, as a secret.
NOT_MASKED = frozenset({"token", "field_value"})


class Secrets:
    """The plugin's secret, and the most recently used tokens."""

    def __init__(self, *known: str) -> None:
        self._known = tuple(filter(_is_telling, known))
        self._tokens: deque[str] = deque(maxlen=KNOWN_TOKENS)

    def note(self, token: str) -> None:
        if _is_telling(token) and token not in self._tokens:
            self._tokens.append(token)

    def hidden(self, value: Any) -> Any:
        """The same JSON value with every known secret masked, in texts and in keys, at any depth. May raise RecursionError."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(key): item if key in NOT_MASKED else self.hidden(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hidden(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        for secret in (*self._known, *tuple(self._tokens)):
            text = text.replace(secret, MASK)
        return text


def _is_telling(secret: str) -> bool:
    return len(secret) >= SHORTEST
