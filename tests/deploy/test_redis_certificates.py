"""A certificate of Redis that is not accepted: one clear sentence for producers and for every command, and no password in it."""

import contextlib
import os
import socket
import ssl
import threading

import pytest

from feishu_batch import EnqueueError, FeishuBatch
from tests.support.deploy_servers import make_certificates
from tests.support.programs import require
from tests.support.waiting import PATIENCE
from tests.support.zygote import run_command

CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1],
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
    "after_field_value": "x",
}
# What is wrong → names in the certificate, days until it ends, host of the URL, what is said of it.
WRONG = {
    "expired": ("DNS:localhost,IP:127.0.0.1", -1, "127.0.0.1", "certificate has expired"),
    "another host name": ("DNS:redis.example", 2, "localhost", "certificate is not valid for 'localhost'"),
    "another address": ("DNS:localhost", 2, "127.0.0.1", "certificate is not valid for '127.0.0.1'"),
}


@pytest.fixture(params=WRONG)
def wrong(request, tmp_path):
    """(URL, sentence). The server shows its certificate, and no client gets further."""
    require("openssl")
    names, days, host, why = WRONG[request.param]
    files = make_certificates(tmp_path, names, days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=show_certificate, args=(listener, context), daemon=True)
        thread.start()
        yield f"rediss://:s3cr3t@{host}:{listener.getsockname()[1]}/0?ssl_ca_certs={files.authority}", why
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def show_certificate(listener, context):
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(client, server_side=True):
                pass


def test_a_producer_is_told_in_one_sentence(wrong):
    url, why = wrong
    with FeishuBatch(url, timeout=2) as client, pytest.raises(EnqueueError) as caught:
        client.enqueue(**CHANGE)
    said = str(caught.value)
    assert said.startswith("Redis cannot be reached by TLS: its TLS certificate was rejected: ")
    assert why in said
    assert said.endswith("; nothing was written")
    assert "s3cr3t" not in said
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("command", [("up",), ("doctor",), ("status",), ("pause",)], ids=" ".join)
def test_a_command_ends_with_that_sentence(wrong, command, tmp_path):
    url, why = wrong
    names = {
        "REDIS_URL": url,
        "PLUGIN_ID": "p",
        "PLUGIN_SECRET": "s",
        "USER_KEY": "u",
        "BASE_URL": "http://127.0.0.1:1",
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
    env |= {f"FEISHU_BATCH_{name}": value for name, value in names.items()}
    ended = run_command(*command, env=env, cwd=tmp_path, timeout=PATIENCE)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 3, said
    assert why in said
    assert "s3cr3t" not in said
    assert "Traceback" not in said
