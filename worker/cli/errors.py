"""The exit codes of the commands, and what ends a command early. Its message goes to stderr as it is, never a traceback."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from feishu_batch.explained import Explanation
from worker.operating.errors import OperatingError, UnreachableError

DONE, SOME_FAILED, WRONG_USE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES: Final[Mapping[int, Explanation]] = MappingProxyType(
    {
        DONE: Explanation("Done.", "Nothing."),
        SOME_FAILED: Explanation(
            "Some items failed, or were not done in the time that was given.",
            "The output says which. `feishu-batch failures` shows all that is open, with what to do.",
        ),
        WRONG_USE: Explanation(
            "Wrong use or input; nothing was changed.",
            "The message says what to correct; `feishu-batch COMMAND --help`.",
        ),
        UNREACHABLE: Explanation(
            "Something that is needed cannot be reached; the message says what.",
            "Start it, or correct its address. `feishu-batch doctor` looks at everything.",
        ),
        INTERRUPTED: Explanation("Interrupted with Ctrl-C; enqueued work continues.", "`feishu-batch status`."),
    }
)


class InterruptedByUserError(OperatingError):
    """Ctrl-C. The text says which work continues and how to look at it."""


def exit_code_of(error: OperatingError) -> int:
    if isinstance(error, InterruptedByUserError):
        return INTERRUPTED
    return UNREACHABLE if isinstance(error, UnreachableError) else WRONG_USE
