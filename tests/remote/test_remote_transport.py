import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import certifi
import httpcore
import httpx
import pytest

from tests.support.raw_server import reply
from tests.support.waiting import fair_now
from worker.remote import transport as transport_module
from worker.remote.errors import NotExecuted, OutcomeUnknown, Withheld
from worker.remote.transport import FOREIGN_ERRORS, HttpTransport, translate
from worker.remote.wire import ExchangeWatch, WatchedStream

OK = reply(b'{"err_code":0}', headers="X-Tt-Logid: log-1\r\n")
SECRET = "p-very-secret"


def post(transport, **options):
    options = {"write": True, "headers": {"X-PLUGIN-TOKEN": SECRET}, "content": b"{}"} | options
    return transport.exchange("POST", "/open_api/x", **options)


def send_ok(connection, _number):
    connection.sendall(OK)


def all_httpx_errors():
    public = [getattr(httpx, name) for name in httpx.__all__]
    return [each for each in public if isinstance(each, type) and issubclass(each, Exception)]


def made(error_class):
    try:
        return error_class("told")
    except TypeError:
        return (
            error_class("told", request=None, response=None) if error_class is httpx.HTTPStatusError else error_class()
        )


def sent_watch():
    watch = ExchangeWatch()
    watch.start(1)
    watch.sent_at = time.monotonic()
    return watch


@pytest.mark.parametrize("error_class", all_httpx_errors())
def test_no_httpx_error_slips_through(error_class, monkeypatch, connect):
    def fail(*_args, **_options):
        raise made(error_class)

    transport = connect("http://127.0.0.1:1")
    monkeypatch.setattr(transport._client, "send", fail)
    with pytest.raises(NotExecuted) as caught:
        post(transport)
    assert caught.value.exchange is None


@pytest.mark.parametrize("error_class", all_httpx_errors())
def test_after_sending_every_httpx_error_leaves_a_write_unknown_and_a_read_not_executed(error_class):
    assert isinstance(made(error_class), FOREIGN_ERRORS)
    assert type(translate(made(error_class), sent_watch(), write=True)) is OutcomeUnknown
    assert type(translate(made(error_class), sent_watch(), write=False)) is NotExecuted


def test_every_httpcore_error_is_translated_by_httpx():
    mapped = transport_module.httpx._transports.default._load_httpcore_exceptions()
    raised = [getattr(httpcore, name) for name in httpcore.__all__ if name.endswith(("Error", "Timeout", "Protocol"))]
    assert raised
    assert set(raised) <= set(mapped)


def test_an_answer_carries_status_body_and_log_id(serve, connect):
    answer = post(connect(serve(send_ok).url))
    assert (answer.status, answer.body, answer.log_id) == (200, b'{"err_code":0}', "log-1")


def test_the_exchange_spans_sending_and_answering(serve, connect):
    def slowly(connection, _number):
        time.sleep(0.05)
        connection.sendall(OK)

    server = serve(slowly)
    before = time.monotonic()
    exchange = post(connect(server.url)).exchange
    assert before <= exchange.sent_at <= server.received_at[0] <= exchange.answered_at
    assert 0.05 <= exchange.duration <= time.monotonic() - before


def test_the_connection_stays_warm(serve, connect):
    server = serve(send_ok)
    transport = connect(server.url)
    for _ in range(3):
        post(transport)
    assert server.connections == 1


def test_each_thread_has_its_own_deadline_and_times(serve, connect):
    def answer_slowly(connection, _number):
        time.sleep(0.05)
        connection.sendall(OK)

    transport = connect(serve(answer_slowly).url)
    with ThreadPoolExecutor(4) as pool:
        exchanges = list(pool.map(lambda _: post(transport).exchange, range(8)))
    assert all(0.05 <= exchange.duration < 0.5 for exchange in exchanges)


def test_an_idle_connection_that_the_server_closed_is_not_used_again(serve, connect):
    def once(connection, _number):
        connection.sendall(OK)
        return False

    server = serve(once)
    transport = connect(server.url)
    post(transport)
    time.sleep(0.05)
    post(transport)
    assert server.connections == 2


def test_a_refused_connection_is_not_executed_and_has_no_exchange(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotExecuted, match="no connection") as caught:
        post(connect(f"http://127.0.0.1:{port}"))
    assert caught.value.exchange is None


def test_an_unknown_host_is_not_executed(monkeypatch, connect):
    def nowhere(*_args, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    transport = connect("http://nowhere.localhost")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(NotExecuted):
        post(transport)


def test_a_server_that_never_answers_leaves_a_write_unknown(serve, connect):
    transport = connect(serve(lambda *_: time.sleep(1)).url, timeout=0.2)
    with pytest.raises(OutcomeUnknown, match="timed out after the request was sent") as caught:
        post(transport)
    assert 0.15 < caught.value.exchange.duration < 1  # when it would have answered


def test_a_server_that_never_answers_leaves_a_read_not_executed(serve, connect):
    transport = connect(serve(lambda *_: time.sleep(1)).url, timeout=0.1)
    with pytest.raises(NotExecuted):
        transport.exchange("GET", "/", write=False, headers={})


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", reply(b"x" * 1000)[:-1000]])
def test_a_dripping_server_cannot_outlast_the_total_time_out(head, serve, connect):
    def drip(connection, _number):
        connection.sendall(head)
        for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"a" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    started = fair_now()
    with pytest.raises(OutcomeUnknown, match="timed out"):
        post(connect(serve(drip).url, timeout=0.25))
    assert fair_now() - started < 0.6


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", reply(b"x" * 10)[:-5], b"\x00garbage\r\n\r\n"])
def test_a_cut_or_garbled_answer_leaves_a_write_unknown(sent, serve, connect):
    def cut(connection, _number):
        connection.sendall(sent)
        return False

    with pytest.raises(OutcomeUnknown) as caught:
        post(connect(serve(cut).url))
    assert caught.value.exchange is not None


def test_an_endless_body_is_refused(serve, connect, monkeypatch):
    monkeypatch.setattr(transport_module, "LARGEST_BODY", 1000)
    with pytest.raises(OutcomeUnknown, match="larger than 1000 bytes"):
        post(connect(serve(lambda connection, _: connection.sendall(reply(b"x" * 5000))).url))


def test_a_redirect_is_not_followed(serve, connect):
    moved = reply(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n")
    assert post(connect(serve(lambda connection, _: connection.sendall(moved)).url)).status == 302


def test_cookies_are_not_kept(serve, connect):
    server = serve(lambda connection, _: connection.sendall(reply(b"{}", headers="Set-Cookie: a=b\r\n")))
    transport = connect(server.url)
    post(transport)
    post(transport)
    assert b"cookie" not in server.requests[1].lower()


def test_proxies_of_the_environment_are_ignored(serve, connect, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert post(connect(serve(send_ok).url)).status == 200


def test_errors_show_no_token_and_hold_no_request(serve, connect):
    transport = connect(serve(lambda *_: False).url)
    for headers in ({"X-PLUGIN-TOKEN": SECRET}, {"X-PLUGIN-TOKEN": SECRET + "\n"}, {"X-PLUGIN-TOKEN": SECRET + "é"}):
        with pytest.raises((NotExecuted, OutcomeUnknown)) as caught:
            post(transport, headers=headers)
        error = caught.value
        assert error.__cause__ is None
        assert error.__context__ is None
        assert SECRET not in f"{error!s}{error!r}{error.args}{''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize(
    "url",
    [
        "http://project.example.com",
        "ftp://127.0.0.1",
        "https://u:p@example.com",
        "https://a/?q=1",
        "",
        "nonsense",
        "https://",
    ],
)
def test_an_unsafe_or_odd_address_is_refused_with_a_sentence(url):
    with pytest.raises(ValueError, match="base URL"):
        HttpTransport(url, 1)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.9", "http://[::1]:80", "https://example.com/"])
def test_https_and_loopback_addresses_are_fine(url, connect):
    connect(url)


@pytest.mark.parametrize("verify", [True, False, certifi.where(), str(Path(certifi.where()).parent)])
def test_certificates_can_be_checked_against_an_own_bundle_or_not_at_all(verify):
    HttpTransport("https://example.com", 1, verify).close()


class HalfBrokenStream:
    """Takes the first `good` writes and fails the next."""

    def __init__(self, good):
        self.good = good

    def write(self, _buffer, _timeout):
        self.good -= 1
        if self.good < 0:
            raise httpcore.WriteError


@pytest.mark.parametrize(("good", "arrived"), [(0, False), (1, False), (2, True)])
def test_a_request_whose_last_write_failed_has_certainly_not_arrived(good, arrived):
    watch = ExchangeWatch()
    watch.start(5)
    stream = WatchedStream(HalfBrokenStream(good), watch)
    try:
        stream.write(b"headers")
        stream.write(b"body")
        stream.write(b"")
    except httpcore.WriteError:
        pass
    assert watch.may_have_arrived is arrived
    assert watch.sent_at is not None


def test_nothing_is_sent_once_the_time_is_over():
    watch = ExchangeWatch()
    watch.start(-1)
    with pytest.raises(httpcore.WriteTimeout):
        WatchedStream(HalfBrokenStream(9), watch).write(b"headers")
    assert not watch.may_have_arrived
    assert watch.sent_at is None


# --- leave to send, asked for at the last moment --------------------------------------------------------------------


def test_what_must_not_leave_any_more_does_not_and_that_is_no_unknown_outcome(serve, connect):
    server = serve(send_ok)
    connected = []

    def no():
        time.sleep(0.05)  # the server counts in a thread of its own
        connected.append(server.connections)
        return False

    with pytest.raises(Withheld) as caught:
        post(connect(server.url), may_leave=no)
    assert caught.value.exchange is None
    assert connected == [1]  # asked when there was a connection
    time.sleep(0.05)
    assert server.requests == []


def test_leave_is_asked_for_once_per_request_also_on_a_warm_connection(serve, connect):
    transport, asked = connect(serve(send_ok).url), []
    for _ in range(2):
        post(transport, may_leave=lambda: asked.append(1) or True, content=b"x" * 1_000_000)
    assert len(asked) == 2
    post(transport)
    assert len(asked) == 2


def test_waiting_for_leave_does_not_use_up_the_time_of_the_exchange(serve, connect):
    def slowly(connection, _number):
        time.sleep(0.2)
        connection.sendall(OK)

    def wait():
        time.sleep(0.3)
        return True

    exchange = post(connect(serve(slowly).url, timeout=0.4), may_leave=wait).exchange
    assert exchange.duration < 0.35  # counted from the first byte
