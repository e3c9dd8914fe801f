"""The wire contract: one intent of a producer, as it is written into the inbox and sent through Celery."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, StrEnum
from hashlib import blake2b
from typing import Annotated, Any, Self
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import from_json, to_json

from feishu_batch.errors import IntentError
from feishu_batch.values import INT64_MAX, canonical_value
from feishu_batch.wording import plainly

MAX_ITEMS = 10_000
DEFAULT_PRIORITY = 5
BULK_PRIORITY = 3  # of what comes from tables, files and schedules: a single intent does not wait for it
CHANGE_SET = r"^[A-Za-z0-9_.:-]{1,64}$"
LONGEST_PRODUCER = 100  # characters
_DIGEST_BYTES = 8
_ONLY_HOW = {"producer": None, "skip_unchanged": False, "keep_before": False}
_ID_OPENING = b'{"intent_id":""'
_SHOWN = ("intent_id", "project_key", "work_item_type_key", "field_key", "update_mode")
_MAX_SHOWN = 128
MAX_PROBLEMS = 10  # in one message
_UNKNOWN_KEY = "is not a key of an intent"
_MAX_PROBLEM_LENGTH = 300
_PROJECT_KEY = re.compile(r"[0-9a-f]{24}")
_SIMPLE_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


class UpdateMode(StrEnum):
    """How the remote system combines the new value with the present one."""

    APPEND = "APPEND"
    UPDATE = "UPDATE"  # overwrite it
    REPLACE = "REPLACE"  # exchange one value for another


class Condition(Enum):
    """`ANY`: the change is written whatever the cell holds."""

    ANY = "any"


def is_real_project_key(value: str) -> bool:
    """Whether this is a space's key and not its simple name, which may silently match nothing in a request."""
    return _PROJECT_KEY.fullmatch(value) is not None


def _space(value: str) -> str:
    if is_real_project_key(value):
        return value
    if not _SIMPLE_NAME.fullmatch(value) or is_real_project_key(value.lower()):
        raise ValueError(
            "must be the space's key, 24 lower-case hex digits, or its simple name: letters, digits and underscores"
        )
    return value


def _key_or_name(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("must be a field's key, alias or name, without line breaks and without spaces around it")
    return value


def _printable_text(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be text without line breaks and control characters")
    return value


def _ordered(value: Any) -> Any:
    # pydantic also accepts sets, which have no order, and generators, which can be read only once.
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of work item ids")  # noqa: TRY004 - pydantic collects ValueErrors only
    if not value:
        raise ValueError("must name at least one work item")
    return value


def _without_duplicates(ids: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(ids)) != len(ids):
        raise ValueError("names a work item more than once")
    return ids


def _utc(value: Any) -> datetime:
    # pydantic also accepts numbers, whose unit it guesses.
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime) and moment.utcoffset() is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # refused below, as a time without an offset
    raise ValueError("must be an ISO time with its offset from UTC, such as 2030-01-31T18:00:00+08:00")


class UpdateIntent(BaseModel):
    """One space, one item type, 1…10,000 work items, one field, one mode, one value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    intent_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(default_factory=lambda: str(uuid4()))
    project_key: Annotated[str, AfterValidator(_space)]  # or its simple name
    work_item_type_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]
    work_item_ids: Annotated[
        tuple[Annotated[int, Field(strict=True, gt=0, le=INT64_MAX)], ...],
        Field(max_length=MAX_ITEMS),
        BeforeValidator(_ordered),
        AfterValidator(_without_duplicates),
    ]
    field_key: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_key_or_name)]  # or its alias or name
    update_mode: UpdateMode
    before_field_value: Annotated[Any, BeforeValidator(canonical_value), Field(validate_default=True)] = None
    after_field_value: Annotated[Any, BeforeValidator(canonical_value)]
    # It is sent as a header: printable ASCII only.
    user_key: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")] | None = None
    lane: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")] | None = None
    priority: Annotated[int, Field(strict=True, ge=0, le=9)] = DEFAULT_PRIORITY
    expires_at: Annotated[datetime, BeforeValidator(_utc)] | None = None
    keep_every_change: Annotated[bool, Field(strict=True)] = False
    skip_unchanged: Annotated[bool, Field(strict=True)] = False
    keep_before: Annotated[bool, Field(strict=True)] = False
    # None: only if the cell is empty.
    expected_field_value: Annotated[
        Any, BeforeValidator(canonical_value), Field(json_schema_extra=lambda schema: schema.pop("default"))
    ] = Condition.ANY
    note: Annotated[str, Field(max_length=500)] | None = None
    change_set: Annotated[str, Field(pattern=CHANGE_SET)] | None = None
    # Which app or person enqueues it; not part of the content. Default: what the client says of itself.
    producer: (
        Annotated[str, Field(min_length=1, max_length=LONGEST_PRODUCER), AfterValidator(_printable_text)] | None
    ) = None

    @field_validator("before_field_value")
    @classmethod
    def _before_value_fits_mode(cls, value: Any, info: ValidationInfo) -> Any:
        """Required by REPLACE. In the other modes the remote system ignores it, so it is dropped."""
        mode = info.data.get("update_mode")
        if mode is UpdateMode.REPLACE and value is None:
            raise ValueError("REPLACE needs the value to replace")
        return value if mode is UpdateMode.REPLACE else None

    @property
    def is_conditional(self) -> bool:
        return self.expected_field_value is not Condition.ANY

    @classmethod
    def parse(cls, data: Mapping[str, Any] | str | bytes) -> Self:
        """From a mapping, or from JSON text. Raises pydantic's ValidationError, or ValueError if it is not JSON."""
        if isinstance(data, str):
            data = data.encode()  # a lone surrogate is a ValueError here, and a TypeError in from_json
        content = from_json(data, allow_inf_nan=False) if isinstance(data, bytes) else dict(data)
        return cls.model_validate(content)

    def packed(self) -> tuple[str, str]:
        """`to_json()` and `digest()` with one serialisation."""
        # Field order is fixed and values are sorted, so this is canonical. Defaults are left out: it is short, and a
        # new optional key of a later version does not change the digest of an old intent.
        packed = self.__pydantic_serializer__.to_json(self, exclude_defaults=True)
        is_work = self.producer is None and not (self.skip_unchanged or self.keep_before)
        work = packed if is_work else self.model_copy(update=_ONLY_HOW).to_json().encode()
        content = work[len(_ID_OPENING) + len(self.intent_id) :]
        return packed.decode(), blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()

    def to_json(self) -> str:
        """Compact; `parse` reads it back to an equal intent."""
        return self.packed()[0]

    def digest(self) -> str:
        """16 hex digits that name the content: without the intent id, the producer, `skip_unchanged` and `keep_before`, which write nothing else."""
        return self.packed()[1]


def in_short(content: Mapping[str, Any]) -> str:
    """The change without its value, which Flower shows as the task's arguments. `content` may be any content of a message."""
    shown = {key: value[:_MAX_SHOWN] for key in _SHOWN if isinstance(value := content.get(key), str)}
    items = content.get("work_item_ids")
    return repr({**shown, "items": len(items) if isinstance(items, list | tuple) else None})


def parse_intent(data: UpdateIntent | Mapping[str, Any] | str | bytes) -> UpdateIntent:
    """Raises IntentError with one line per problem; never repeats a value."""
    if isinstance(data, UpdateIntent):
        return data
    if not isinstance(data, Mapping | str | bytes):
        raise IntentError(f"an intent must be an object or its JSON text, not {type(data).__name__}")
    try:
        return UpdateIntent.parse(data)
    except ValidationError as error:
        raise IntentError(_describe(error)) from None
    except ValueError as error:
        raise IntentError(f"not valid JSON: {_printable(str(error))}") from None
    except RecursionError:  # where text is expected, pydantic repeats the actual value
        raise IntentError("is nested too deeply") from None


def group_spec(intent: UpdateIntent, default_user_key: str | None = None) -> str:
    """Canonical JSON of everything that changes must share to be sent in one request."""
    spec = {
        "project_key": intent.project_key,
        "work_item_type_key": intent.work_item_type_key,
        "user_key": intent.user_key or default_user_key,
        "field_key": intent.field_key,
        "update_mode": intent.update_mode,
        "before_field_value": intent.before_field_value,
        "after_field_value": intent.after_field_value,
    }
    if intent.keep_before:
        spec["keep_before"] = True
    if intent.is_conditional:
        spec["expected"] = [intent.expected_field_value]
    return to_json(spec).decode()


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    lines = [
        _describe_problem(problem["loc"], _UNKNOWN_KEY if problem["type"] == "extra_forbidden" else plainly(problem))
        for problem in problems[:MAX_PROBLEMS]
    ]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"… and {len(problems) - MAX_PROBLEMS} more problems")
    return "\n".join(lines)


def _describe_problem(loc: tuple[int | str, ...], message: str) -> str:
    where = ".".join(_printable(str(step), 64) for step in loc)
    what = _printable(message)
    return f"{where}: {what}" if where else what


def _printable(text: str, length: int = _MAX_PROBLEM_LENGTH) -> str:
    shown = text if len(text) <= length else f"{text[:length]}…"
    return shown.encode("utf-8", "backslashreplace").decode().replace("\n", " ")
