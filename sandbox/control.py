"""The endpoints that the real system does not have: reports and faults. They have no rate limit."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import report
from sandbox.core import Sandbox
from sandbox.edits import EditError, edit
from sandbox.faults import NAMES, FaultError, parse_rule, rule_of
from sandbox.single_rules import RuleError

ABOUT = (
    "A simulator of the Feishu Project API: it enforces the limits and rules of the real one, keeps everything in memory, "
    "and reports its requests under /_sandbox/."
)


def routes(sandbox: Sandbox) -> list[Route]:
    control = Control(sandbox)
    return [
        Route("/", control.about),
        Route("/_sandbox/report", control.report),
        Route("/_sandbox/violations", control.violations),
        Route("/_sandbox/cells", control.cells),
        Route("/_sandbox/history", control.cells),
        Route("/_sandbox/world-values", control.world_values),
        Route("/_sandbox/faults", control.faults, methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/singles", control.singles, methods=["GET", "POST"]),
        Route("/_sandbox/edit", control.edit, methods=["POST"]),
        Route("/_sandbox/reset", control.reset, methods=["POST"]),
    ]


_USER_KEYS = ("user_key", "name_cn", "name_en", "email")


class Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def about(self, request: Request) -> Response:
        world = self._sandbox.world
        return JSONResponse(
            {
                "about": ABOUT,
                "base_url": str(request.base_url).rstrip("/"),
                "projects": [
                    {
                        "project_key": project.key,
                        "simple_name": project.simple_name,
                        "types": dict(project.types),
                        "items": [{"type": r.type_key, "from": r.ids[0], "to": r.ids[-1]} for r in project.ranges],
                        "refusing_items": {i.id: i.refuse for i in project.items.values() if i.refuse},
                        "fields": {f.key: f.type_as_given for f in project.fields},
                    }
                    for project in world.projects.values()
                ],
                "users": [{name: user.get(name) for name in _USER_KEYS} for user in world.users],
                "control": [route.path for route in routes(self._sandbox)],
                "faults": sorted(NAMES),
            },
        )

    async def report(self, request: Request) -> Response:
        with_items = request.query_params.get("items") == "1"
        return JSONResponse(report.report(self._sandbox, self._advance(), with_items=with_items))

    async def violations(self, request: Request) -> Response:  # noqa: ARG002 every endpoint takes a request
        self._advance()
        return JSONResponse(report.violations(self._sandbox))

    async def cells(self, request: Request) -> Response:
        self._advance()
        asked = request.query_params
        item = asked.get("item")
        if item is not None and not item.isdigit():
            return _wrong("item is a work item id")
        return JSONResponse(
            self._sandbox.cells.matching(self._project_key(request), int(item) if item else None, asked.get("field"))
        )

    async def world_values(self, request: Request) -> Response:
        """The present value of every changed cell: {item: {field: value}}."""
        self._advance()
        project_key = self._project_key(request) or next(iter(self._sandbox.world.projects))
        values: dict[str, dict[str, Any]] = {}
        for cell, value in self._sandbox.cells.values.items():
            if cell.project_key == project_key:
                values.setdefault(str(cell.item_id), {})[cell.field_key] = value
        return JSONResponse(values)

    async def faults(self, request: Request) -> Response:
        """GET lists, DELETE clears, POST {"faults": [rule or its text], "clear": bool} adds."""
        faults = self._sandbox.faults
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            body = await request.json()
            try:
                rules = [parse_rule(f) if isinstance(f, str) else rule_of(f) for f in body.get("faults", [])]
            except FaultError as error:
                return _wrong(str(error))
            if body.get("clear"):
                faults.clear()
            faults.set(rules)
        return JSONResponse({"faults": faults.as_json(), "fired": dict(faults.fired)})

    async def singles(self, request: Request) -> Response:
        """GET shows the rules of the endpoint for one item, POST {rule: value, ...} changes some of them."""
        if request.method == "POST":
            try:
                self._sandbox.set_single_rules(self._sandbox.single_rules.changed(await request.json()))
            except RuleError as error:
                return _wrong(str(error))
        return JSONResponse(self._sandbox.single_rules.as_json())

    async def edit(self, request: Request) -> Response:
        """POST {"item": id, "field": key, "value": in the API's form, "project": key or simple name}: a person changes a cell."""
        body = await request.json()
        now = self._advance()
        try:
            edit(self._sandbox, body.get("project"), body.get("item"), body.get("field"), body.get("value"), now)
        except EditError as error:
            return _wrong(str(error))
        return JSONResponse({})

    async def reset(self, request: Request) -> Response:  # noqa: ARG002
        self._sandbox.forget()
        return JSONResponse({})

    def _advance(self) -> float:
        now = time.monotonic()
        self._sandbox.agenda.advance(now)
        return now

    def _project_key(self, request: Request) -> str | None:
        given = request.query_params.get("project")
        project = self._sandbox.world.project(given) if given else None
        return project.key if project else given


def _wrong(message: str) -> Response:
    return JSONResponse({"error": message}, 400)
