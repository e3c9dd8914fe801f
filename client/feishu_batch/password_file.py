"""A password in a file that may change: it is read at each new connection."""

from pathlib import Path
from typing import Any

from redis import CredentialProvider
from redis.exceptions import AuthenticationError

LONGEST = 65536  # bytes; a token of a cloud service has a few thousand


class PasswordFileError(AuthenticationError):
    """The file cannot be used. The message names the file and never contains its content."""


class FilePassword(CredentialProvider):
    """The credential provider that redis-py, kombu and Celery call when they connect."""

    def __init__(self, file: str, username: str = "") -> None:
        self._file = file
        self._username = username

    def get_credentials(self) -> Any:
        """(password,) or (user, password). Raises `PasswordFileError`."""
        password = read_password(self._file)
        return (self._username, password) if self._username else (password,)

    def __deepcopy__(self, _memo: object) -> "FilePassword":
        return self

    def __repr__(self) -> str:
        return f"FilePassword({self._file!r})"


def read_password(file: str) -> str:
    """The file's first line, without its line break. Raises `PasswordFileError` with a sentence."""
    try:
        with Path(file).open("rb") as stream:
            text = stream.read(LONGEST + 1).decode()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise PasswordFileError(f"the file with the password of Redis, {file}, cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise PasswordFileError(f"the file with the password of Redis, {file}, is not a text file") from None
    password = text.rstrip("\r\n")
    if not password or len(text) > LONGEST or "\n" in password:
        raise PasswordFileError(
            f"the file with the password of Redis, {file}, must contain the password in one line and nothing else"
        )
    return password
