"""A user's rules, or a proxy of a managed service, that refuse a command which we use: one sentence names it, before any worker starts."""

import contextlib
import re
from importlib import resources

import pytest
from redis import Redis

from config.settings import Settings
from tests.faults.refusing_proxy import refusing_proxy
from tests.faults.test_redis_misconfigured import run_up
from tests.support.servers import Server
from worker.connections import connect
from worker.operating import redis_commands as tried
from worker.operating.redis_checks import Severity
from worker.operating.redis_commands import refusals_here

OURS = [*tried.LEDGER, *tried.BROKER, *tried.RESULTS]
SINGLE = [trial.name for trial in OURS if trial.name.isupper() and " and " not in trial.name]
NESTED = {"SCRIPT LOAD": "script|load", "SCRIPT EXISTS": "script|exists"}
RULES = {name: NESTED.get(name, name.lower()) for name in SINGLE} | {
    "PUBLISH and SUBSCRIBE": "publish",
    "MULTI and EXEC": "multi",
}
IN_SCRIPTS_ONLY = {
    "RENAME",
    "UNLINK",
    "XINFO",
}  # of the scripts that have them, each is in the same rule as another one


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("refusing"))
    server.start()
    yield server.url
    server.kill()


def findings(url):
    settings = Settings(redis_url=url, plugin_id="p", plugin_secret="s", user_key="u")
    with contextlib.closing(connect(settings, any_format=True)) as redis:
        return refusals_here(settings, redis)


def test_a_server_that_takes_everything_is_left_as_it_was_found(server):
    assert findings(server) == []
    with Redis.from_url(server, decode_responses=True) as redis:
        assert redis.keys("*") == []


@pytest.mark.parametrize("name", RULES)
def test_a_user_without_a_command_is_told_which(server, name):
    with Redis.from_url(server) as redis:
        redis.execute_command(f"ACL SETUSER guest reset on >guest-password ~* &* +@all -{RULES[name]}")
    found = findings(server.replace("//", "//guest:guest-password@"))
    assert f"Redis refuses {name} (" in found[0].sentence
    assert "Give the user of REDIS_URL the rules of docs/deployment.md (ACL)." in found[0].sentence
    assert {one.severity for one in found} == {Severity.FATAL}


def test_every_command_of_our_scripts_is_tried():
    used = set()
    for package in ("worker.ledger", "feishu_batch"):
        for file in (resources.files(package) / "lua").iterdir():
            used |= set(re.findall(r"call\('([A-Z]+)'", file.read_text()))
    assert len(used) > 30
    assert used - {trial.name for trial in OURS} == IN_SCRIPTS_ONLY


# --- proxies ----------------------------------------------------------------------------------------------------------


def refusing(*names, answer):
    """The commands, by their first word or their first two."""
    wanted = {tuple(name.encode().split()) for name in names}
    return lambda command: answer if wanted & {tuple(command[:1]), tuple(command[:2])} else None


def keys_of_lua_are_looked_at(command):
    """As Alibaba Cloud's clusters do while script_check_enable is 1: a script may use keys of KEYS only."""
    makes_names = b"P .. '" in b"".join(command)
    if command[0] == b"EVAL" and makes_names:
        return b"ERR bad lua script for redis cluster, all the keys that the script uses should be passed using the KEYS array"
    return None


def several_keys_are_refused(command):
    """As a cluster does where the keys lie in different slots."""
    return (
        b"CROSSSLOT Keys in request don't hash to the same slot"
        if command[0] == b"BRPOP" and len(command) > 3
        else None
    )


UNKNOWN = b"ERR unknown command"


@pytest.mark.parametrize(
    ("refuse", "named", "advice"),
    [
        (keys_of_lua_are_looked_at, ["a script of the ledger"], "script_check_enable to 0"),
        (refusing("BRPOP", answer=UNKNOWN), ["BRPOP"], "without a proxy"),
        (refusing("BRPOP", answer=b""), ["BRPOP"], "without a proxy"),
        (several_keys_are_refused, ["BRPOP"], "without a proxy"),
        (refusing("EVAL", "EVALSHA", "SCRIPT", answer=UNKNOWN), ["EVAL", "SCRIPT LOAD", "EVALSHA"], "without a proxy"),
        (refusing("SCRIPT LOAD", "SCRIPT EXISTS", answer=b""), ["SCRIPT LOAD"], "without a proxy"),
        (
            refusing("SUBSCRIBE", "PSUBSCRIBE", answer=UNKNOWN),
            ["PSUBSCRIBE", "PUBLISH and SUBSCRIBE"],
            "without a proxy",
        ),
        (refusing("MULTI", answer=UNKNOWN), ["MULTI and EXEC"], "without a proxy"),
    ],
    ids=[
        "lua keys",
        "no BRPOP",
        "BRPOP closes",
        "one key at a time",
        "no scripts",
        "SCRIPT closes",
        "no pub/sub",
        "no MULTI",
    ],
)
def test_what_proxies_refuse_is_named_with_what_to_do(server, refuse, named, advice):
    with refusing_proxy(server, refuse) as url:
        found = [finding.sentence for finding in findings(url)]
    for name in named:
        assert any(f"Redis refuses {name} (" in sentence and advice in sentence for sentence in found), found


def test_up_ends_with_that_sentence(server, tmp_path):
    with refusing_proxy(server, keys_of_lua_are_looked_at) as url:
        ended = run_up(url, tmp_path)
    assert ended.returncode == 3
    assert "Set the service's parameter script_check_enable to 0" in ended.stderr
    assert "Traceback" not in ended.stderr
