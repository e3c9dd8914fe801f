"""The one place where secrets are taken out of what the remote system says, before anything of it is kept, shown or logged."""

from collections import deque
from collections.abc import Mapping
from typing import Any

MASK = "**********"
KNOWN_TOKENS = 4  # the current one, and those that may still be valid
SHORTEST = 5  # characters; what is shorter turns up by chance, and masking it would spoil answers
# The only values that are left as they came. The log-in's answer is its token, and a cell that is read back is compared
# with what was written; neither is shown or logged, and of the two only the token is kept, as a secret.
LEFT_ALONE = frozenset({"token", "field_value"})


class Secrets:
    """The plugin's secret, and the tokens that were used last."""

    def __init__(self, *known: str) -> None:
        self._known = tuple(filter(_is_telling, known))
        self._tokens: deque[str] = deque(maxlen=KNOWN_TOKENS)

    def note(self, token: str) -> None:
        if _is_telling(token) and token not in self._tokens:
            self._tokens.append(token)

    def hidden(self, value: Any) -> Any:
        """The same JSON value with every known secret masked, in texts and in keys, however deep. May raise RecursionError."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(key): item if key in LEFT_ALONE else self.hidden(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hidden(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        for secret in (*self._known, *tuple(self._tokens)):
            text = text.replace(secret, MASK)
        return text


def _is_telling(secret: str) -> bool:
    return len(secret) >= SHORTEST
