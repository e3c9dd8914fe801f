"""docs/errors.md has every code that a user can meet. That it is current, test_docs_are_current.py says."""

import ast
import inspect
import re
import sys

import click
import pytest

from config.remote_facts import ErrorClass
from feishu_batch import IntentState, errors
from feishu_batch.explained import ERRORS, FAILURES, ITEMS, STATES, FailureCode
from feishu_batch.results import Progress
from tests.docs.pages import ROOT, text
from worker.catalogue.explained import EXPLAINED
from worker.catalogue.models import Code
from worker.cli.errors import EXIT_CODES
from worker.cli.main import cli
from worker.ledger.records import NoBatchReason
from worker.operating import health, redis_checks
from worker.operating.explaining import SENT_NOTHING, explanation_of
from worker.remote.codes import DEFAULT_RULES
from worker.remote.meanings import POLICIES, SCENES
from worker.web.guard import STATUSES

sys.path.append(str(ROOT / "docs"))  # as for the script that it is part of

import errors_page

PAGE = "docs/errors.md"
CODES = [*FailureCode, *Code, *map(str, DEFAULT_RULES), *SCENES]


@pytest.mark.parametrize("code", CODES)
def test_each_code_of_a_failed_item_has_a_meaning_and_an_advice(code):
    told = explanation_of(code)
    assert told.meaning.endswith(".")
    assert told.advice
    assert f"`{code}`" in text(PAGE)


@pytest.mark.parametrize(
    ("explained", "codes"),
    [(FAILURES, FailureCode), (EXPLAINED, Code), (STATES, IntentState), (POLICIES, ErrorClass)],
    ids=["failures", "catalogue", "states", "classes"],
)
def test_nothing_is_explained_twice_or_not_at_all(explained, codes):
    assert list(explained) == list(dict.fromkeys(explained))
    assert set(explained) == set(codes)


def test_each_code_belongs_to_one_source():
    assert len(CODES) == len(set(CODES))


@pytest.mark.parametrize("code", [None, "", "4711", "NeverHeardOf"])
def test_a_code_that_only_the_remote_system_knows_has_none(code):
    assert explanation_of(code) is None


def test_no_failure_has_a_code_that_is_written_out():
    sources = {path: path.read_text() for path in (ROOT / "worker").rglob("*.py")}
    assert [str(path) for path, source in sources.items() if re.search(r'Outcome\.failed\(\s*f?"', source)] == []


def test_the_scenes_of_the_sandbox_are_explained():
    scenes = set(
        re.findall(r'"((?:[A-Z][a-z]+){3,})"', "".join(p.read_text() for p in (ROOT / "sandbox").glob("*.py")))
    )
    assert {scene for scene in scenes if scene in text("sandbox/jobs.py")} <= SCENES.keys()


def test_each_exception_of_the_library_is_there():
    kinds = {
        kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FeishuBatchError)
    }
    assert set(ERRORS) == kinds - {errors.FeishuBatchError}


def test_the_help_of_a_command_names_no_other_exit_code():
    context = click.Context(cli)
    named = {
        int(code)
        for name in cli.list_commands(context)
        for listed in re.findall(r"Exit codes: (.*)", " ".join((cli.get_command(context, name).help or "").split()))
        for code in re.findall(r"(?:^|; )(\d+)\b", listed)
    }
    assert {0, 1, 2, 3} <= named <= EXIT_CODES.keys()


def test_the_general_help_says_the_same_of_the_exit_codes():
    shown = dict(re.findall(r"^ +(\d+) +(.+)$", cli.help, re.MULTILINE))
    assert {int(code) for code in shown} == EXIT_CODES.keys()


def test_every_count_of_items_is_there():
    assert set(ITEMS) == set(Progress.__slots__) - {"total"}


def test_every_status_of_the_page_is_there():
    source = "".join(path.read_text() for path in (ROOT / "worker/web").glob("*.py"))
    used = {int(status) for status in re.findall(r"(?:refused\(|OrderRefusedError\(|, )([45]\d\d)\b", source)}
    assert {401, 403, 404, 421, 503} <= used <= STATUSES.keys()


def test_every_reason_to_send_nothing_is_there():
    assert set(NoBatchReason) <= SENT_NOTHING.keys()


def lines_with(module, names):
    """The first lines of the calls of these functions in a module."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    return {call.lineno for call in calls if getattr(call.func, "id", "") in names}


def recorder(wrapped, lines):
    def called(*args, **options):
        lines.add(sys._getframe(1).f_lineno)
        return wrapped(*args, **options)

    return called


def test_every_complaint_of_the_health_checks_has_a_sample(monkeypatch):
    reached = set()
    for name in ("warn", "fail"):
        monkeypatch.setattr(health, name, recorder(getattr(health, name), reached))
    errors_page.stalls()
    assert lines_with(health, {"warn", "fail"}) - reached == set()


def test_every_doubt_about_a_redis_has_a_sample(monkeypatch):
    reached = set()
    monkeypatch.setattr(redis_checks, "RedisFinding", recorder(redis_checks.RedisFinding, reached))
    errors_page.doubts()
    inside = inspect.getsourcelines(redis_checks.inspect)
    of_inspect = range(inside[1], inside[1] + len(inside[0]))  # needs a server; says that it could not look
    assert lines_with(redis_checks, {"RedisFinding"}) - reached - set(of_inspect) == set()
