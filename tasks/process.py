"""What the tasks of this process work with: built on first use, so after any fork, and once."""

import threading

from config.settings import load_settings
from worker.app import app
from worker.runtime import Runtime, build_runtime

_lock = threading.Lock()
_built: list[Runtime] = []


def runtime() -> Runtime:
    if not _built:
        with _lock:
            if not _built:
                _built.append(build_runtime(load_settings(), app))
    return _built[0]
