"""A remote system of a few lines that refuses a whole request for one of its items, which the sandbox does not."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class StandIn:
    """Every job is done at once. `batches` are the items of all requests that came, refused ones too."""

    def __init__(self, bad_item: int) -> None:
        self.batches: list[list[int]] = []
        self._jobs: dict[str, list[int]] = {}
        self._bad_item = bad_item
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._answer(stand_in.token() if "plugin_token" in self.path else stand_in.submit(body))

            def do_GET(self) -> None:
                self._answer(stand_in.job(self.path.rpartition("=")[2]))

            def _answer(self, content: dict[str, Any]) -> None:
                text = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self) -> dict[str, Any]:
        return {"error": {"code": 0, "msg": "success"}, "data": {"token": "p-1", "expire_time": 7200}}

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        items = body["work_item_ids"]
        self.batches.append(items)
        if self._bad_item in items:
            return {"err": {}, "err_code": 20014, "err_msg": "Project And Work Item Not Match", "data": None}
        name = f"JOB-{len(self.batches)}"
        self._jobs[name] = items
        return {"err": {}, "err_code": 0, "err_msg": "", "data": {"task_id": name}}

    def job(self, name: str) -> dict[str, Any]:
        done = [str(item) for item in self._jobs[name]]
        report = {"task_id": name, "task_status": "SUCCESS", "total": len(done), "success_total": len(done)}
        report |= {"error_total": 0, "success_sub_task_list": done, "fail_sub_task_list": [], "error_scenes": []}
        return {"err": {}, "err_code": 0, "err_msg": "", "data": report}
