"""One spelling of a server's URL; redis-py, Celery and kombu each need another one.

    redis://user:password@host:6379/0                   rediss://… with TLS
    unix:///run/redis.sock?db=0
    sentinel://user:password@host1:26379,host2:26379/0?master=NAME
        &sentinel_username=…&sentinel_password=…        for the sentinels themselves; &tls=true for TLS to all of them
    amqp://user:password@host:5672/vhost                RabbitMQ, for messages only; amqps://… with TLS

    ?password_file=/path                                the password is in a file, which is read at each connect;
                                                        &sentinel_password_file=… likewise
    ?ssl_ca_certs=/path &ssl_certfile=… &ssl_keyfile=…  with TLS: whom to trust, and who we are
    &ssl_cert_reqs=required|optional|none               as Celery spells them, too; &ssl_check_hostname=false

No error of this module repeats any part of a URL: it may hold a password, and where a character of it was not encoded,
the password may look like any other part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

SENTINEL: Final = "sentinel"
AMQP: Final = frozenset({"amqp", "amqps"})
REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "unix", "redis+socket", SENTINEL})
BROKER_SCHEMES: Final = REDIS_SCHEMES | AMQP | {"memory"}  # the last is Celery's own, for tests
PORTS: Final = {"redis": 6379, "rediss": 6379, SENTINEL: 26379, "amqp": 5672, "amqps": 5671}
TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_WORDS: Final = ("ssl_cert_reqs", "ssl_check_hostname")
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "redis": ("db", "username", "password", "password_file"),
    "rediss": ("db", "username", "password", "password_file", *TLS_FILES, *_TLS_WORDS),
    "unix": ("db", "virtual_host", "username", "password", "password_file"),
    SENTINEL: (
        *("master", "sentinel_username", "sentinel_password", "sentinel_password_file", "password_file", "tls"),
        *(*TLS_FILES, *_TLS_WORDS),
    ),
    "amqp": (),
    "amqps": (*TLS_FILES,),
}
_CERT_REQS: Final = {f"{prefix}{word}": word for word in ("required", "optional", "none") for prefix in ("", "cert_")}
_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no"})
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%25[\w.-]+)?\]|[^\[\]:@,;\s]+)(?::([0-9]+))?")
_ENCODE: Final = (
    "has a special character in its user or password: percent-encode it"
    " (/ is %2F, ? is %3F, # is %23, @ is %40, % is %25, : is %3A, [ is %5B)"
)
_EXAMPLE: Final = "write it like sentinel://:password@host1:26379,host2:26379/0?master=NAME"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A parsed URL, with percent-encoding removed."""

    scheme: str  # one of `PORTS`, "unix" or "memory"
    hosts: tuple[tuple[str, int], ...] = ()  # several for Sentinel only, none for a Unix socket
    path: str = ""  # of a Unix socket, or the virtual host as it was written
    db: int = 0
    login: Mapping[str, str] = field(default_factory=dict, repr=False)  # username and password, where given
    password_file: str | None = None
    tls: Mapping[str, str | bool] | None = None  # redis-py's words; None: no TLS
    master: str = ""
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    sentinel_password_file: str | None = None


def check_url(url: str, schemes: frozenset[str], *, has_file: bool = False) -> None:
    """Raises ValueError if the URL cannot be used; the message contains no part of it. `has_file`: its password is in a file."""
    scheme = url.partition("://")[0].lower()
    if scheme.endswith("cluster"):
        raise ValueError("names a Redis Cluster, on which Celery cannot work; use one primary, or sentinel://")
    if scheme not in schemes or "://" not in url:
        amqp = " or amqp://user:password@host:5672/vhost" if schemes >= AMQP else ""
        raise ValueError(
            f"must look like redis://:password@host:6379/0{amqp}"
            " (or rediss://…, unix:///path, sentinel://host1,host2/0?master=NAME)"
        )
    parse_url(url, has_file=has_file)


def parse_url(url: str, *, has_file: bool = False) -> ServerUrl:
    """Raises ValueError with a sentence that contains no part of the URL."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("has a space, a line break or an invisible character: percent-encode it (a space is %20)")
    if re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise ValueError(f"{_ENCODE}; a % must be followed by two hex digits")
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("must look like redis://:password@host:6379/0")
    scheme, authority, path, query, fragment = (part or "" for part in found.groups())
    scheme = {"redis+socket": "unix"}.get(scheme.lower(), scheme.lower())
    if scheme == "memory":
        return ServerUrl(scheme)
    behind = path + query + fragment
    if fragment or ("@" in behind and (authority or scheme != "unix" or "@" in query)):
        raise ValueError(_ENCODE)
    userinfo, _, hosts = authority.rpartition("@")
    given = _parameters(scheme, query)
    return ServerUrl(
        scheme=scheme,
        hosts=_hosts(scheme, hosts),
        path=_path(scheme, unquote(path) if scheme == "unix" else path),
        db=_database(scheme, path, given),
        login=_login(userinfo, given, has_file=has_file),
        password_file=_file(given, "password_file"),
        tls=_tls(scheme, given),
        master=_master(scheme, given),
        sentinel_login=_named(given.get("sentinel_username", ""), given.get("sentinel_password", "")),
        sentinel_password_file=_file(given, "sentinel_password_file"),
    )


def with_password_file(url: str, file: str) -> str:
    """The URL with its password in a file. Raises ValueError if it contains a password, or is not a URL of Redis."""
    where = parse_url(url, has_file=True)
    if where.scheme in AMQP or where.scheme == "memory":
        raise ValueError("cannot use a password file: only a URL of Redis can")
    if "password" in where.login or where.password_file:
        raise ValueError("already contains a password; remove one of the two")
    return f"{url}{'&' if '?' in url else '?'}password_file={quote(file)}"


def host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# --- the parts --------------------------------------------------------------------------------------------------------


def _parameters(scheme: str, query: str) -> dict[str, str]:
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # a + is a plus sign, not a space
    known = _PARAMETERS.get(scheme, ())
    given = dict(pairs)
    if given.keys() - set(known) or len(given) < len(pairs) or (query and not pairs):
        names = f"only these, each once: {', '.join(known)}" if known else "none"
        if any(name in TLS_FILES or name in _TLS_WORDS for name in given):
            names += ". TLS is asked for by rediss://, amqps:// or, with Sentinel, tls=true"
        raise ValueError(f"has unknown parameters after its ?. For {scheme}:// these are allowed: {names}")
    return given


def _hosts(scheme: str, text: str) -> tuple[tuple[str, int], ...]:
    if scheme == "unix":
        if text:
            raise ValueError("has a host and a Unix socket: write it like unix:///run/redis.sock?db=0")
        return ()
    if scheme not in PORTS:
        raise ValueError("must look like redis://:password@host:6379/0")
    hosts = text.split(",") if text else []
    if not hosts:
        raise ValueError("has no host: write it like redis://:password@host:6379/0")
    if scheme != SENTINEL and (len(hosts) > 1 or ";" in text):
        raise ValueError("has several hosts; only sentinel://host1,host2/0?master=NAME may")
    return tuple(_address(scheme, host) for host in hosts)


def _address(scheme: str, text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int(found[2] or PORTS[scheme]) if found and len(found[2] or "") <= len("65535") else 0
    if found is None or not 1 <= port <= 65535:  # noqa: PLR2004 - the highest port there is
        raise ValueError(
            f"has an invalid host or port: a port is a number from 1 to 65535, an IPv6 address is written in"
            f" brackets like [::1]:{PORTS[scheme]}"
            + ("; a sentinel URL separates its hosts by commas" if scheme == SENTINEL else f"; or it {_ENCODE}")
        )
    return unquote(found[1].strip("[]")), port


def _path(scheme: str, path: str) -> str:
    if scheme == "unix":
        if not path.strip("/"):
            raise ValueError("has no Unix socket: write it like unix:///run/redis.sock?db=0")
        return path
    return path if scheme in AMQP else ""


def _database(scheme: str, path: str, given: Mapping[str, str]) -> int:
    if scheme in AMQP:
        return 0
    in_query = given.get("db", given.get("virtual_host", "")).strip("/")
    in_path = "" if scheme == "unix" else unquote(path).removeprefix("/")
    for text in (in_query, in_path):
        if text and not re.fullmatch("[0-9]{1,5}", text):
            raise ValueError(
                "has a database that is not a number: it ends with a number, like redis://:password@host:6379/0"
            )
    if in_query and in_path and int(in_query) != int(in_path):
        raise ValueError("has two databases, one after the host and one after the ?")
    return int(in_query or in_path or 0)


def _login(userinfo: str, given: Mapping[str, str], *, has_file: bool) -> Mapping[str, str]:
    """The user and password before the @ win, as in redis-py."""
    user, colon, password = userinfo.partition(":")
    login = _named(
        unquote(user) or given.get("username", ""), unquote(password) if colon else given.get("password", "")
    )
    if "password_file" in given and "password" in login:
        raise ValueError("has a password and a password file: remove one of them")
    if "username" in login and "password" not in login and "password_file" not in given and not has_file:
        raise ValueError(
            "has a user without a password before the @: write redis://user:password@host,"
            " or redis://:password@host if there is no user"
        )
    return login


def _named(username: str, password: str) -> dict[str, str]:
    return {name: value for name, value in (("username", username), ("password", password)) if value}


def _file(given: Mapping[str, str], name: str) -> str | None:
    if name in given and not given[name]:
        raise ValueError(f"has a {name} without a path")
    return given.get(name)


def _master(scheme: str, given: Mapping[str, str]) -> str:
    if scheme == SENTINEL and not given.get("master"):
        raise ValueError(f"is a sentinel URL without master=NAME; {_EXAMPLE}")
    return given.get("master", "")


def _tls(scheme: str, given: Mapping[str, str]) -> Mapping[str, str | bool] | None:
    words = {name: given[name] for name in (*TLS_FILES, *_TLS_WORDS) if name in given}
    if scheme not in ("rediss", "amqps") and not (scheme == SENTINEL and _truth(given, "tls")):
        if words:
            raise ValueError("has parameters of TLS without tls=true")
        return None
    found: dict[str, str | bool] = {name: words[name] for name in TLS_FILES if name in words}
    reqs = words.get("ssl_cert_reqs", "required").lower()
    if reqs not in _CERT_REQS:
        raise ValueError("has an ssl_cert_reqs that is none of required, optional and none")
    if not all(found.values()):
        raise ValueError("has a file for TLS without a path")
    if "ssl_check_hostname" in words:
        found["ssl_check_hostname"] = _truth(words, "ssl_check_hostname")
    return {**found, "ssl_cert_reqs": _CERT_REQS[reqs]}


def _truth(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "false").lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(f"has a {name} that is not true or false")
    return text in _TRUE
