"""Why something that an operator asked for was not done, by command or page. The text is for that person, and says what to do."""


class OperatingError(Exception):
    """The text is shown as it is."""


class WrongUseError(OperatingError):
    """The request, or what it was given, is wrong."""


class UnreachableError(OperatingError):
    """Redis or another component cannot be reached. The text says which, and what to do."""
