"""Through an HTTP proxy everything holds that holds without: deadlines, the leave to send, and what is proven about a request."""

import ssl
import time

import pytest

from config.proxy import Proxy, ignored_variable
from tests.support.deploy_servers import make_certificates
from tests.support.programs import require
from tests.support.raw_server import RawServer, reply
from tests.support.tunnel import OPENED, TunnelServer
from tests.support.waiting import fair_now
from worker.remote.errors import NotExecuted, OutcomeUnknown, Withheld

OK = reply(b'{"err_code":0}')
PASSWORD = "s3cret/p#ss?w@rd"
ENCODED = "s3cret%2Fp%23ss%3Fw%40rd"


def send_ok(connection, _number):
    connection.sendall(OK)


def post(transport, **options):
    return transport.exchange("POST", "/open_api/x", **{"write": True, "headers": {}, "content": b"{}"} | options)


@pytest.fixture
def proxies():
    opened = []

    def start(say=None, password=""):
        opened.append(TunnelServer(say, password))
        return opened[-1]

    yield start
    for proxy in opened:
        proxy.close()


def through(proxy, user=""):
    return Proxy.parse(proxy.url.replace("://", f"://{user}@" if user else "://"))


def test_a_request_goes_through_a_tunnel_that_stays_warm(serve, connect, proxies):
    server, proxy = serve(send_ok), proxies()
    transport = connect(server.url, proxy=through(proxy))
    for _ in range(3):
        assert post(transport).status == 200
    assert proxy.targets == [server.url.removeprefix("http://")]
    assert server.connections == 1


def test_credentials_are_sent_to_the_proxy_and_nowhere_else(serve, connect, proxies):
    server, proxy = serve(send_ok), proxies(password=f"user:{PASSWORD}")
    assert post(connect(server.url, proxy=through(proxy, f"user:{ENCODED}"))).status == 200
    assert b"authorization" not in b"".join(server.requests).lower()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    require("openssl")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class TlsServer(RawServer):
    def __init__(self, script, certificates):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.certificate, certificates.key)
        RawServer.__init__(self, script)
        self.url = self.url.replace("http://127.0.0.1", "https://localhost")

    def _serve(self, connection):
        try:
            encrypted = self._context.wrap_socket(connection, server_side=True)
        except (OSError, ssl.SSLError):
            return
        super()._serve(encrypted)


def test_tls_ends_at_the_remote_system_and_is_checked_there(connect, proxies, certificates):
    server, proxy = TlsServer(send_ok, certificates), proxies()
    trusting = connect(server.url, verify=str(certificates.authority), proxy=through(proxy))
    assert post(trusting).status == 200
    with pytest.raises(NotExecuted, match=r"through the proxy 127\.0\.0\.1:\d+: .*CERTIFICATE_VERIFY_FAILED"):
        post(connect(server.url, proxy=through(proxy)))
    server.close()


def test_certificates_that_fail_again_and_again_use_up_nothing(connect, proxies, certificates):
    server, proxy = TlsServer(send_ok, certificates), proxies()
    transport = connect(server.url, proxy=through(proxy))
    for _ in range(25):  # more than the pool has connections
        with pytest.raises(NotExecuted, match="CERTIFICATE_VERIFY_FAILED"):
            post(transport)
    server.close()


def test_the_way_to_the_proxy_may_be_encrypted_too(connect, certificates):
    class TlsTunnel(TlsServer, TunnelServer):
        def __init__(self, certificates):
            self._say, self._wanted = None, b""
            TlsServer.__init__(self, self._answer, certificates)

    server, proxy = TlsServer(send_ok, certificates), TlsTunnel(certificates)
    transport = connect(server.url, verify=str(certificates.authority), proxy=through(proxy))
    assert post(transport).status == 200
    assert proxy.targets == [server.url.removeprefix("https://")]
    proxy.close()
    server.close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            b"HTTP/1.1 407 no\r\n\r\n",
            r"requires a user name and a password, or refused those of FEISHU_BATCH_PROXY_URL",
        ),
        (b"HTTP/1.1 403 your token is abc\r\n\r\n", r"refused the tunnel \(HTTP 403 Forbidden\)"),
        (b"HTTP/1.1 799 abc\r\n\r\n", r"refused the tunnel \(HTTP 799\)"),
        (b"HTTP/1.1 502 x\r\nContent-Length: 3\r\n\r\nabc", r"refused the tunnel \(HTTP 502 Bad Gateway\)"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the proxy's answer is not HTTP"),
        (b"", "the proxy closed the connection"),
    ],
)
def test_a_refused_tunnel_means_that_nothing_was_sent(answer, told, serve, connect, proxies):
    server = serve(send_ok)

    def say(connection, _number):
        connection.sendall(answer)
        return False

    with pytest.raises(NotExecuted, match=told) as caught:
        post(connect(server.url, proxy=through(proxies(say))))
    assert caught.value.exchange is None
    assert "abc" not in str(caught.value)
    assert server.requests == []


def test_a_proxy_that_is_not_there_means_that_nothing_was_sent(serve, connect, proxies):
    proxy = proxies()
    proxy.close()
    with pytest.raises(NotExecuted, match="no connection to the remote system through the proxy 127"):
        post(connect(serve(send_ok).url, proxy=through(proxy)))


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_proxy_that_drips_or_is_silent_cannot_outlast_the_total_time_out(head, serve, connect, proxies):
    def drip(connection, _number):
        connection.sendall(head)
        for _ in range(100):
            connection.sendall(b"a")
            time.sleep(0.02)

    started = fair_now()
    with pytest.raises(NotExecuted):
        post(connect(serve(send_ok).url, timeout=0.3, proxy=through(proxies(drip))))
    assert fair_now() - started < 0.8


def test_a_tunnel_that_breaks_after_the_request_leaves_a_write_unknown(serve, connect, proxies):
    server = serve(lambda *_: False)
    with pytest.raises(OutcomeUnknown):
        post(connect(server.url, proxy=through(proxies())))


def test_a_proxy_that_answers_in_place_of_the_remote_system_leaves_a_write_unknown(serve, connect, proxies):
    def cut(connection, _number):
        connection.sendall(OPENED)
        connection.recv(65536)
        return False

    with pytest.raises(OutcomeUnknown):
        post(connect(serve(send_ok).url, proxy=through(proxies(cut))))


def test_the_permission_to_send_is_asked_when_the_tunnel_is_open_and_before_the_first_byte(serve, connect, proxies):
    server, proxy, tunnels = serve(send_ok), proxies(), []

    def no():
        tunnels.append(len(proxy.targets))
        return False

    with pytest.raises(Withheld):
        post(connect(server.url, proxy=through(proxy)), may_leave=no)
    assert tunnels == [1]
    assert server.requests == []


def test_the_exchange_counts_from_the_request_and_not_from_the_tunnel(serve, connect, proxies):
    server = serve(send_ok)

    def slowly(connection, number):
        time.sleep(0.3)
        return proxy_of_old._answer(connection, number)

    proxy_of_old = proxies()
    proxy = proxies(slowly)
    proxy_of_old.requests = proxy.requests
    exchange = post(connect(server.url, proxy=through(proxy))).exchange
    assert exchange.duration < 0.25
    assert exchange.sent_at <= server.received_at[0]


# --- the address ----------------------------------------------------------------------------------------------------


def test_an_address_says_where_the_proxy_is_and_who_we_are_there():
    proxy = Proxy.parse(f"https://user:{ENCODED}@[::1]:3128/")
    assert (proxy.host, proxy.port, proxy.is_tls) == ("::1", 3128, True)
    assert proxy.credentials.get_secret_value() == f"user:{PASSWORD}"
    assert PASSWORD not in repr(proxy)
    assert Proxy.parse("http://proxy:3128").credentials is None


@pytest.mark.parametrize(
    "url",
    [
        "proxy:3128",
        "http://proxy",
        "socks5://proxy:1080",
        "ftp://proxy:21",
        "http://:3128",
        f"http://user:{PASSWORD}@proxy:3128",
        f"http://user:{PASSWORD}@proxy:port",
        "http://user:secret@proxy:99999",
        "http://user:secret%0A@proxy:3128",
        "http://proxy:3128/path",
        "http://proxy:3128?x=1",
        "http://[proxy:3128",
        "",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_quoted(url):
    wanted = "^has a line break" if "%0A" in url else r"^must .*http://proxy\.example:3128"
    with pytest.raises(ValueError, match=wanted) as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


# --- what the environment says --------------------------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_mentioned_where_no_connection_comes_about(connect, serve):
    server = serve(send_ok)
    server.close()
    variable = ignored_variable({"https_proxy": "http://user:secret@proxy:3128"})
    with pytest.raises(NotExecuted, match=r"https_proxy is set but not used.*FEISHU_BATCH_PROXY_URL") as caught:
        post(connect(server.url, ignored_proxy=variable))
    assert "secret" not in str(caught.value)
    assert ignored_variable({"HTTPS_PROXY": "", "PATH": "/bin"}) is None
