"""What a command ends with when it cannot do what was asked: an exit code and one clear message, never a traceback."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from feishu_batch.explained import Explanation

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
        INTERRUPTED: Explanation("Interrupted with Ctrl-C; what was enqueued goes on.", "`feishu-batch status`."),
    }
)


class CliError(Exception):
    """The text goes to stderr as it is."""

    exit_code = WRONG_USE


class WrongUseError(CliError):
    """The command, or what it was given, is wrong."""


class UnreachableError(CliError):
    """Redis, or another component, is not there. The text says which and what to do."""

    exit_code = UNREACHABLE


class InterruptedByUserError(CliError):
    """Ctrl-C; the text says what goes on and how to look at it."""

    exit_code = INTERRUPTED
