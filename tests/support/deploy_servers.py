"""Real servers as an operator runs them: Redis with TLS and ACL users, Sentinel with a replica, RabbitMQ."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from redis import Redis, RedisError

from tests.support.servers import NO_RETRY, free_port
from tests.support.waiting import wait_until
from worker.processes.child import Child, bound_to_us


class Process:
    """One server in the foreground, with its output in a file. It does not outlive the test process."""

    def __init__(self, argv: list[str], log: Path, **options: object) -> None:
        bound = bound_to_us(Child(argv[0], tuple(argv)))
        with log.open("ab") as stream:
            self._process = subprocess.Popen(bound, stdout=stream, stderr=stream, start_new_session=True, **options)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def end(self, timeout: float) -> int:
        """As `docker stop` and systemd do it: SIGTERM, and SIGKILL for what is left. The exit code."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()
        return self._process.returncode


def answers(url: str, **options: object) -> bool:
    with contextlib.suppress(RedisError, OSError), Redis.from_url(url, retry=NO_RETRY, **options) as client:
        return bool(client.ping())
    return False


# --- Sentinel -------------------------------------------------------------------------------------------------------


class Watched:
    """A master, a replica and three sentinels, all behind passwords, and by TLS only if there are `certificates`.

    `kill_master` takes a sentinel along, as a machine does.
    """

    def __init__(self, directory: Path, certificates: "Certificates | None" = None) -> None:
        self.url = ""
        self._directory = directory
        self._certificates = certificates
        self._ports = [free_port(), free_port()]
        self._sentinel_ports = [free_port() for _ in range(3)]
        self._servers: list[Process] = []
        self._sentinels: list[Process] = []
        self.sentinels_file = directory / "sentinels-password"

    @property
    def sentinel_url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        tls = f"&tls=true&ssl_ca_certs={self._certificates.authority}" if self._certificates else ""
        return f"sentinel://:data-pw@{hosts}/0?master=ledger&sentinel_password=watch-pw{tls}"

    def url_with_files(self, user: str) -> str:
        """For the user's password in a file; that of the sentinels is in `sentinels_file`."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        return f"sentinel://{user}@{hosts}/0?master=ledger&sentinel_password_file={self.sentinels_file}"

    def data_clients(self) -> list[Redis]:
        return [self._client(port, "data-pw") for port in self._ports]

    def start(self) -> None:
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self) -> None:
        master, replica = self._ports
        for port in self._ports:
            follows = [f"replicaof 127.0.0.1 {master}"] if port == replica else []
            self._servers.append(self._run(port, "redis-server", [*self._data_lines(port), *follows]))
        wait_until(lambda: self._linked(replica), 60, "the replica is in step")
        self._sentinels = [
            self._run(port, "redis-sentinel", self._sentinel_lines(port, master)) for port in self._sentinel_ports
        ]
        wait_until(self._agreed, 60, "the sentinels know each other and the replica")

    def kill_master(self) -> None:
        self._servers[0].kill()
        self._sentinels[0].kill()

    def kill(self) -> None:
        for process in [*self._servers, *self._sentinels]:
            process.kill()

    def master_port(self) -> int:
        """As a sentinel that is left tells it."""
        [told] = self._ask(self._sentinel_ports[2], "sentinel_masters").values()
        return int(told["port"])

    def in_step(self) -> bool:
        """Everything that was written so far is at the replica, too."""
        with self._client(self._ports[0], "data-pw") as redis:
            return bool(redis.wait(1, 1000))

    def _run(self, port: int, program: str, lines: list[str]) -> Process:
        own = self._directory / str(port)
        own.mkdir(exist_ok=True)
        listens = self._certificates.lines(port) if self._certificates else [f"port {port}"]
        (own / "server.conf").write_text("\n".join([*listens, "bind 127.0.0.1", f"dir {own}", *lines]) + "\n")
        return Process([program, str(own / "server.conf")], self._directory / f"{program}-{port}.log")

    def _data_lines(self, port: int) -> list[str]:
        persistent = ["appendonly yes", "appendfsync always", "repl-diskless-sync-delay 0"]
        return ["requirepass data-pw", "masterauth data-pw", *persistent]

    def _sentinel_lines(self, port: int, master: int) -> list[str]:
        return [
            "requirepass watch-pw",
            f"sentinel monitor ledger 127.0.0.1 {master} 2",
            "sentinel auth-pass ledger data-pw",
            "sentinel down-after-milliseconds ledger 2000",
            "sentinel failover-timeout ledger 3000",
            "sentinel sentinel-pass watch-pw",
        ]

    def _ask(self, port: int, command: str, *arguments: str) -> dict[str, dict[str, object]]:
        with self._client(port, "watch-pw") as sentinel:
            return getattr(sentinel, command)(*arguments)

    def _client(self, port: int, password: str) -> Redis:
        tls = {"ssl": True, "ssl_ca_certs": str(self._certificates.authority)} if self._certificates else {}
        return Redis(host="127.0.0.1", port=port, password=password, retry=NO_RETRY, **tls)

    def _linked(self, port: int) -> bool:
        with contextlib.suppress(RedisError), self._client(port, "data-pw") as redis:
            return redis.info("replication").get("master_link_status") == "up"
        return False

    def _agreed(self) -> bool:
        try:
            told = [self._ask(port, "sentinel_masters")["ledger"] for port in self._sentinel_ports]
        except RedisError:
            return False
        return all(one["num-other-sentinels"] == 2 and one["num-slaves"] == 1 for one in told)


# --- TLS and ACL users ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certificates:
    authority: Path
    certificate: Path  # of localhost and 127.0.0.1
    key: Path

    def lines(self, port: int) -> list[str]:
        """For a server or a sentinel that speaks nothing but TLS, with its own kind as well."""
        files = [
            f"tls-cert-file {self.certificate}",
            f"tls-key-file {self.key}",
            f"tls-ca-cert-file {self.authority}",
        ]
        return ["port 0", f"tls-port {port}", *files, "tls-auth-clients no", "tls-replication yes"]


def make_certificates(directory: Path, names: str = "DNS:localhost,IP:127.0.0.1", *, days: int = 2) -> Certificates:
    """Of a server with these names; `days`: until it ends, -1 for one that has ended."""
    authority, authority_key = directory / "ca.pem", directory / "ca.key"
    certificate, key, request = directory / "server.pem", directory / "server.key", directory / "server.csr"
    extension = directory / "names"
    extension.write_text(f"subjectAltName={names}\n")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    sign = ["openssl", "x509", "-req", "-days", str(days), "-CAcreateserial", "-CA", authority, "-CAkey", authority_key]
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", authority_key, "-out", authority],
        [*new, "-subj", "/CN=localhost", "-keyout", key, "-out", request],
        [*sign, "-in", request, "-out", certificate, "-extfile", extension],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=20)
    return Certificates(authority, certificate, key)


class TlsServer:
    """Redis with TLS only; the default user may do nothing, `admin` everything, and the others what `rules` say."""

    def __init__(self, directory: Path, rules: dict[str, str]) -> None:
        self.directory = directory
        self._certificates = make_certificates(directory)
        self.authority = self._certificates.authority
        self._rules = rules
        self._port = free_port()
        self._process: Process | None = None

    def url_of(self, user: str) -> str:
        return f"rediss://{user}:pw-{user}@127.0.0.1:{self._port}/0?ssl_ca_certs={self.authority}"

    def start(self) -> None:
        users = {"admin": "~* &* +@all", **self._rules}
        lines = [
            *self._certificates.lines(self._port),
            "bind 127.0.0.1",
            f"dir {self.directory}",
            "appendonly yes",
            "appendfsync always",
            'save ""',
            "user default off ~* &* +@all",  # as docs/deployment.md says, and why
            *(f"user {name} on >pw-{name} {rule}" for name, rule in users.items()),
        ]
        configuration = self.directory / "redis.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self._process = Process(["redis-server", str(configuration)], self.directory / "server.log")
        try:
            wait_until(lambda: answers(self.url_of("admin")), 30, "the server answers")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
