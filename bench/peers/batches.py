"""What one would write with celery-batches: up to 50 messages at a time, grouped, one request per group and second."""

import os
import time
from collections import defaultdict
from typing import Any

import httpx
from celery import Celery
from celery_batches import Batches

app = Celery("batches", broker=os.environ["STOCK_REDIS"], set_as_current=False)
app.conf.broker_connection_retry_on_startup = True
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 0  # flush_every needs as many messages at hand
app.conf.task_routes = {"batches.follow": {"queue": "follow"}}

_here: dict[str, Any] = {}  # per process, made after the fork


def _client() -> httpx.Client:
    if "client" not in _here:
        client = httpx.Client(base_url=os.environ["STOCK_BASE_URL"], timeout=10)
        asked = {"plugin_id": "plugin", "plugin_secret": "secret", "type": 0}
        token = client.post("/open_api/authen/plugin_token", json=asked).json()["data"]["token"]
        client.headers.update({"X-PLUGIN-TOKEN": token, "X-USER-KEY": "7300000000000000001"})
        _here["client"] = client
    return _here["client"]


def _data(response: httpx.Response) -> dict[str, Any] | None:
    """None: refused, usually by the rate limit."""
    answer = response.json()
    return answer.get("data") if response.status_code == httpx.codes.OK and not answer.get("err_code") else None


@app.task(name="batches.change", base=Batches, flush_every=50, flush_interval=1)
def change(requests: list[Any]) -> None:
    groups = defaultdict(list)
    for request in requests:
        body = request.kwargs["body"]
        groups[body["field_key"], str(body["after_field_value"])].append(body)
    for bodies in groups.values():
        items = [item for body in bodies for item in body["work_item_ids"]]
        data = None
        while data is None:
            data = _data(_client().post("/open_api/work_item/batch_update", json={**bodies[0], "work_item_ids": items}))
            time.sleep(1.0)
        follow.delay(data["task_id"])


@app.task(name="batches.follow", bind=True, max_retries=None)
def follow(self: Any, task_id: str) -> None:
    data = _data(_client().get("/open_api/task_result", params={"task_id": task_id}))
    if data is None or data["task_status"] not in {"SUCCESS", "FAILED"}:
        raise self.retry(countdown=2)
