"""The runtime of this process: built once, at its first use and so after any fork."""

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
