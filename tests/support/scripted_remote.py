"""A remote system that answers what the test wrote down, for what the sandbox cannot be made to do."""

import json
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

DROP = object()  # the connection ends without an answer
ANY = "of the job that is asked for"
ENDPOINTS = ("plugin_token", "batch_update", "task_result", "user/query", "projects/detail", "query")
TEXT_FIELD = "field_a1b2c3"


@dataclass
class Seen:
    endpoint: str
    at: float
    headers: dict[str, str]
    body: Any


def ok(data: Any) -> dict[str, Any]:
    return {"err": {}, "err_code": 0, "err_msg": "", "data": data}


def refused(code: int, message: str = "refused") -> tuple[int, dict[str, Any]]:
    return 429 if code in (10429, 10430) else 400, {
        "err": {"code": code, "msg": message},
        "err_code": code,
        "err_msg": message,
    }


def accepted(task_id: str) -> dict[str, Any]:
    return ok({"task_id": task_id})


def job(word: str, done: Any = None, failed: Any = None, **more: Any) -> dict[str, Any]:
    lists = {"success_sub_task_list": done, "fail_sub_task_list": failed}
    told = {name: [str(item) for item in items] for name, items in lists.items() if items is not None}
    return ok({"task_id": ANY, "task_status": word, **told, **more})


def items(values: dict[int, Any]) -> dict[str, Any]:
    """A read-back: item → what the cell holds."""

    def told(value: Any) -> list[dict[str, Any]]:
        return [{"field_key": TEXT_FIELD, "field_type_key": "text", "field_value": value}]

    return ok(
        [{"id": item, "name": "", "work_item_type_key": "story", "fields": told(v)} for item, v in values.items()]
    )


@dataclass
class StandIn:
    """`script[endpoint]`: what is answered, in order; the last answer is repeated."""

    script: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    seen: list[Seen] = field(default_factory=list)
    tokens: int = 0

    def says(self, endpoint: str, *answers: Any) -> None:
        self.script[endpoint] = deque(answers)

    def requests(self, endpoint: str) -> list[Seen]:
        return [one for one in self.seen if one.endpoint == endpoint]

    def __enter__(self) -> Self:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else parse_qs(urlsplit(self.path).query)
                answer = stand_in.answer(urlsplit(self.path).path, dict(self.headers), body)
                if answer is DROP:
                    self.close_connection = True
                    return
                status, content = answer if isinstance(answer, tuple) else (200, answer)
                payload = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, headers: dict[str, str], body: Any) -> Any:
        endpoint = next(name for name in ENDPOINTS if name in path)
        self.seen.append(
            Seen(endpoint, time.monotonic(), {name.lower(): value for name, value in headers.items()}, body)
        )
        script = self.script[endpoint] or [(404, b"not scripted")]
        if endpoint == "plugin_token" and not self.script[endpoint]:
            self.tokens += 1
            return {"error": {"code": 0, "msg": "success"}, "data": {"token": f"p-{self.tokens}", "expire_time": 7200}}
        answer = script.popleft() if len(script) > 1 else script[0]
        answer = answer(body) if callable(answer) else answer
        return about(body["task_id"][0], answer) if endpoint == "task_result" else answer


def about(task_id: str, answer: Any) -> Any:
    """The name that `job` left open."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(data, dict) and data.get("task_id") == ANY:
        return {**answer, "data": {**data, "task_id": task_id}}
    return answer
