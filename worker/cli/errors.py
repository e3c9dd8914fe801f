"""What a command ends with when it cannot do what was asked: an exit code and one clear message, never a traceback."""

DONE, SOME_FAILED, WRONG_USE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130


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
