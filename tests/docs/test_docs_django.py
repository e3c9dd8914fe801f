"""The Django app of docs/producers.md: a project as `startproject` makes it, SQLite, and requests in transactions."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.docs.served import serving
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE

SIMPLE, OUTBOX = (block for block in blocks("docs/producers.md", "python") if "models.Model" in block)
# Every request is one transaction, so that the commit comes when the page is done.
SETTINGS = """
INSTALLED_APPS += ["stories"]
DATABASES["default"]["ATOMIC_REQUESTS"] = True
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
from stories.models import Story


def close(request, pk, outcome):
    Story.objects.get(pk=pk).close()
    if outcome == "fails":
        raise RuntimeError("after close(), within the request's transaction")
    return HttpResponse("closed")


urlpatterns = [path("<int:pk>/<outcome>", close)]
"""
BEGUN = """
from django.core.management import call_command
call_command("startproject", "shop", ".")
call_command("startapp", "stories")
"""
MIGRATED = """
import os, django
from django.core.management import call_command
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()
call_command("makemigrations", "stories")
call_command("migrate")
"""
STORIES = """
from stories.models import Story
for item in 1051, 1052, 1053:
    Story.objects.create(project_key="5f0c1a2b3c4d5e6f70818283", work_item_id=item)
"""
# What the page says of the outbox, done: `send_later` in place of `on_commit`.
SEND_LATER = """\
    def close(self):
        with transaction.atomic():
            self.closed, self.version = True, self.version + 1
            self.save()
            send_later(
                intent_id=f"outbox-{self.pk}-{self.version}",
                project_key=self.project_key,
                work_item_type_key="story",
                work_item_ids=[self.work_item_id],
                field_key="field_f5ed1b",
                update_mode=self.mode,
                after_field_value={"value": "z6x1c4v7b"},
            )

    mode = "UPDATE"
"""
CLOSED = {"value": "z6x1c4v7b"}


class Project:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def set_up(self, models: str) -> None:
        """As the page and Django's own tutorial say; the commands of one step in one process."""
        self.run("-c", BEGUN)
        self.append("shop/settings.py", SETTINGS)
        (self.directory / "shop/urls.py").write_text(URLS)
        (self.directory / "stories/models.py").write_text(models)
        without_url = {name: value for name, value in os.environ.items() if name != "FEISHU_BATCH_REDIS_URL"}
        self.run("-c", MIGRATED + STORIES, env=without_url)

    def append(self, name: str, text: str) -> None:
        with (self.directory / name).open("a") as file:
            file.write(text)

    def run(self, *arguments: str, **options: object) -> str:
        argv = [sys.executable, *arguments]
        done = subprocess.run(
            argv, cwd=self.directory, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *arguments: str, **options: object) -> str:
        return self.run("manage.py", *arguments, **options)

    def shell(self, code: str, **environ: str) -> str:
        return self.manage("shell", "--command", code, env={**os.environ, **environ})

    def rows(self, query: str) -> list[tuple]:
        with sqlite3.connect(self.directory / "db.sqlite3") as database:
            found = database.execute(query).fetchall()
        database.close()
        return found

    def serve(self, **environ: str):
        return serving("manage.py runserver --noreload --nostatic PORT", self.directory, {**os.environ, **environ})


def with_outbox():
    before, _, rest = SIMPLE.partition("    def close(self):")
    return f"{before}{SEND_LATER}\n    def send_closed{rest.partition('def send_closed')[2]}\n{OUTBOX}"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """One project of each kind, to be copied: setting one up takes seconds."""
    made = {}
    for kind, models in {"simple": SIMPLE, "outbox": with_outbox()}.items():
        made[kind] = tmp_path_factory.mktemp(kind)
        Project(made[kind]).set_up(models)
    return made


@pytest.fixture
def project(stack, fresh, tmp_path):
    return Project(shutil.copytree(fresh["simple"], tmp_path / "shop"))


def closed(project):
    return [bool(row[0]) for row in project.rows("select closed from stories_story order by id")]


def test_a_commit_enqueues_and_a_rollback_does_not(project, stack):
    with project.serve() as site:
        assert site.get("/1/fails")[0] == 500
        assert site.get("/2/succeeds") == (200, "closed")
    assert closed(project) == [False, True, False]
    assert stack.client.handle("story-2-closed-1").wait(PATIENCE).ok
    assert stack.sandbox.values()[1052]["field_f5ed1b"] == CLOSED
    assert stack.inbox.length() == 0
    assert 1051 not in stack.sandbox.values()


def test_the_commit_stands_and_the_page_answers_while_redis_is_away(project):
    with project.serve(FEISHU_BATCH_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as site:
        assert site.get("/3/succeeds") == (200, "closed")
        assert "that story 3 is closed was not enqueued" in site.log.read_text()
    assert closed(project) == [False, False, True]


# --- the outbox -----------------------------------------------------------------------------------------------------


@pytest.fixture
def outbox(stack, fresh, tmp_path):
    return Project(shutil.copytree(fresh["outbox"], tmp_path / "shop"))


SEND = "from stories.models import send_outgoing; send_outgoing()"


def test_the_outbox_holds_what_was_committed_until_redis_takes_it(outbox, stack):
    away = f"redis://127.0.0.1:{free_port()}/0"
    with outbox.serve(FEISHU_BATCH_REDIS_URL=away) as site:
        assert [site.get(path)[0] for path in ("/1/succeeds", "/2/fails", "/3/succeeds")] == [200, 500, 200]
    assert closed(outbox) == [True, False, True]
    outbox.shell(
        "from feishu_batch import EnqueueError\nfrom stories.models import *\n"
        "try: send_outgoing()\nexcept EnqueueError: pass\nelse: raise SystemExit(1)",
        FEISHU_BATCH_REDIS_URL=away,
    )
    kept = [json.loads(row[0])["intent_id"] for row in outbox.rows("select intent from stories_outgoing order by id")]
    assert kept == ["outbox-1-1", "outbox-3-1"]
    outbox.shell(SEND)
    outbox.shell(SEND)  # with nothing left
    assert outbox.rows("select count(*) from stories_outgoing") == [(0,)]
    assert [stack.client.handle(intent_id).wait(PATIENCE).ok for intent_id in kept] == [True, True]


def test_a_wrong_intent_is_not_committed(outbox):
    outbox.shell(
        "from feishu_batch import IntentError\nfrom stories.models import *\nStory.mode = 'DELETE'\n"
        "try: Story.objects.get(pk=1).close()\nexcept IntentError: pass\nelse: raise SystemExit(1)"
    )
    assert closed(outbox) == [False, False, False]
