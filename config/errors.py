"""The one error that configuration raises."""


class ConfigError(Exception):
    """The configuration cannot be used as it is; the text says which variable to set, and to what. Holds no secret."""
