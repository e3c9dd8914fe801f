"""What the demonstration calls its file. The demonstration itself runs in test_cli_for_real.py."""

import threading
from types import SimpleNamespace

from worker.cli import demo
from worker.cli.output import console


def test_the_file_is_named_without_the_directory_of_the_package(monkeypatch, capsys):
    imported = []
    monkeypatch.setattr(demo, "wait_until_ready", lambda *_: True)
    monkeypatch.setattr(demo, "session_of", lambda settings: settings)
    monkeypatch.setattr(demo, "run_import", lambda _session, source, *_: imported.append(source))
    monkeypatch.setattr(demo, "show_table", lambda *_: [])
    demo._story(SimpleNamespace(data_dir="."), demo.PLAN, None, console(), threading.Event())
    assert [source.name for source in imported] == ["sprint.csv"]
    assert "Importing sprint.csv;" in capsys.readouterr().out
