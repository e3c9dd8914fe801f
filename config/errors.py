"""The one error that configuration raises."""


class ConfigError(Exception):
    """The configuration cannot be used. The message says which variable to set, and to what; it contains no secret."""
