"""What `doctor` asks the remote system: for a token, and whether a space and an item type are there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.errors import ConfigError
from config.lanes import LaneConfig, Lanes, load_lanes
from config.settings import Settings
from feishu_batch.intents import is_real_project_key
from worker.catalogue.naming import type_hint
from worker.operating.health import Check, fail, ok, warn
from worker.pipeline.blame import ACCESS_CODES
from worker.remote.client import RemoteClient
from worker.remote.codes import RESTART, THE_USER_KEY
from worker.remote.errors import LaneStopped, RemoteError
from worker.remote.models import Project, Token
from worker.runtime import remote_from


@dataclass(frozen=True, slots=True)
class _Access:
    """A credential for which a token was issued."""

    remote: RemoteClient
    token: Token


def check_remote(settings: Settings, lane: str | None, space: str | None, type_key: str | None) -> Iterator[Check]:
    """`lane`: only this one. `space`: a project key, or a simple name."""
    try:
        lanes = load_lanes(settings)
    except ConfigError as error:
        yield warn("credentials", f"not checked: {error}", "Run doctor with the settings of the workers.")
        return
    for refused in lanes.refused:
        yield fail("lane", f"{refused.name} is not served: {refused.why}", "Correct it, then restart the workers.")
    yield from _shared_plugins(lanes)
    usable: dict[str, _Access] = {}
    for one in lanes.lanes:
        if lane in (None, one.name):
            yield _credential(one, settings, usable)
            if one.name in usable:
                yield from _acting_user(one, usable[one.name])
    if space is not None:
        yield from _space(lanes, _askable(lanes, lane, space, usable), space, type_key)


def _shared_plugins(lanes: Lanes) -> Iterator[Check]:
    for names in sorted({lanes.sharing(lane.name) for lane in lanes.lanes}):
        if len(names) > 1:
            yield ok("plugin", f"the lanes {', '.join(names)} use one plugin: they share its slots and its token")


def _credential(lane: LaneConfig, settings: Settings, usable: dict[str, _Access]) -> Check:
    """Adds to `usable`."""
    remote = remote_from(lane, settings)
    try:
        usable[lane.name] = _Access(remote, remote.authenticate())
    except RemoteError as error:
        return fail("credentials", f"lane {lane.name} got no token from {lane.base_url}: {error}", _advice(error))
    return ok("credentials", f"lane {lane.name} got a token from {lane.base_url}")


def _acting_user(lane: LaneConfig, access: _Access) -> Iterator[Check]:
    """No check where the user cannot be looked up: a plugin without the permission to list people can still do all its work."""
    try:
        is_known = access.remote.knows_own_user(token=access.token)
    except LaneStopped as error:
        if error.code not in ACCESS_CODES:
            yield fail("user", f"lane {lane.name} cannot act as {lane.user_key}: {error}", _advice(error))
        return
    except RemoteError:
        return
    if is_known:
        yield ok("user", f"lane {lane.name} acts as {lane.user_key}")
    else:
        yield fail("user", f"lane {lane.name}: no user has the key {lane.user_key}", f"Set {THE_USER_KEY}, {RESTART}")


def _askable(lanes: Lanes, lane: str | None, space: str, usable: Mapping[str, _Access]) -> Mapping[str, _Access]:
    """A key has one lane. A simple name is resolved with every credential that can see the space."""
    if lane is None and is_real_project_key(space):
        lane = lanes.route(None, space)
    return {name: access for name, access in usable.items() if lane in (None, name)}


def _space(lanes: Lanes, asked: Mapping[str, _Access], space: str, type_key: str | None) -> Iterator[Check]:
    is_missing = False
    for access in asked.values():
        try:
            found = _found(access, space)
        except RemoteError as error:
            yield fail("space", f"{space} cannot be read: {error}", _advice(error))
            continue
        if found is None:
            is_missing = True
            continue
        yield ok("space", f"{space} is {_called(found, space)}")
        if type_key:
            # If several credentials see the space, the requests use its own.
            own = asked.get(lanes.route(None, found.project_key), access)
            yield _type(own, found.project_key, type_key)
        return
    if is_missing:
        what = f"{space} is not among the spaces of this plugin and user"
        yield fail(
            "space", what, "Check the key or the simple name, install the plugin in the space, and add the user to it."
        )


def _found(access: _Access, space: str) -> Project | None:
    keys, names = ((space,), ()) if is_real_project_key(space) else ((), (space,))
    found = access.remote.projects_detail(keys, names, token=access.token)
    return next((one for one in found if space in (one.project_key, one.simple_name)), None)


def _called(project: Project, space: str) -> str:
    names = (project.name, project.simple_name, project.project_key)
    return ", ".join(dict.fromkeys(name for name in names if name and name != space))


def _type(access: _Access, project_key: str, type_key: str) -> Check:
    try:
        fields = access.remote.fields(project_key, type_key, token=access.token)
    except RemoteError as error:
        return fail("type", f"{type_key} cannot be read: {error}", _types_there(access, project_key, type_key, error))
    writable = sum(field.is_writable and not field.is_obsolete for field in fields)
    return ok("type", f"{type_key} has {len(fields)} fields, {writable} of them can be changed")


def _types_there(access: _Access, project_key: str, type_key: str, error: RemoteError) -> str:
    try:
        types = access.remote.all_types(project_key, token=access.token)
    except RemoteError:
        return _advice(error)
    return type_hint(type_key, types) or _advice(error)


def _advice(error: RemoteError) -> str:
    if isinstance(error, LaneStopped) and error.advice:
        return error.advice
    if error.http_status is None:
        return "Check FEISHU_BATCH_BASE_URL, FEISHU_BATCH_PROXY_URL and the network between this machine and Feishu Project."
    return "Check the key, and the permissions of the plugin and of the acting user."
