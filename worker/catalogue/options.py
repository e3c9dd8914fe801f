"""Options of select and tree fields: from people's names to the API's form.

The API's shapes: `{"value": id}`, with a label or not; in a tree `{"value": id, "children": {"value": id, "children": null}}`, which
is the path from the root. A bare string, or `{"option_id": id}`, is answered with success and not stored: so these are never sent.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from feishu_batch.written import Kind, Written
from worker.catalogue.models import AS_TEXT, Code, RefusedError, folded, shown
from worker.catalogue.naming import listed, named, nearest
from worker.remote.models import Field, Option

_STEP = re.compile(r"\s*[/>／＞]\s*")  # between the levels of a tree, as people write a path
_QUOTES = ('""', "“”")


@dataclass(frozen=True, slots=True)
class Node:
    """An option with its path from the root."""

    path: tuple[Option, ...]

    @property
    def option(self) -> Option:
        return self.path[-1]

    @property
    def label(self) -> str:
        return " / ".join(option.label or option.value for option in self.path)

    @property
    def is_disabled(self) -> bool:
        return any(option.is_disabled for option in self.path)

    def words(self) -> tuple[str, ...]:
        ways = (self.option.label, self.option.value, "/".join(option.label for option in self.path))
        return tuple(dict.fromkeys(word for word in ways if word))


@dataclass(frozen=True)
class FieldOptions:
    """The options of one field. `is_target`: the new value is checked strictly; a value to replace may have been disabled
    or deleted.
    """

    field: Field

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All options, each before what is below it."""
        return tuple(_nodes(self.field.options, ()))

    @cached_property
    def by_value(self) -> Mapping[str, Node]:
        return {node.option.value: node for node in reversed(self.nodes)}

    @cached_property
    def _by_word(self) -> Mapping[str, list[Node]]:
        return _indexed(self.nodes, str.strip)

    @cached_property
    def _by_folded_word(self) -> Mapping[str, list[Node]]:
        return _indexed(self.nodes, folded)

    def called(self, word: str) -> list[Node]:
        """Options with exactly this label, id or path; otherwise those that differ only in case and spaces."""
        return self._by_word.get(word.strip()) or self._by_folded_word.get(folded(word)) or []

    def flat(self, given: Any, *, is_target: bool) -> Any:
        """For select and radio, and each member of multi_select. The same object if it has the API's shape already."""
        if isinstance(given, Mapping) and isinstance(given.get("value"), str):
            self._judge(given["value"], is_target=is_target)
            self._refuse_contradiction(given, self.by_value.get(given["value"]))
            return given
        return {"value": self._meant(given, is_target=is_target).option.value}

    def tree(self, given: Any, *, is_target: bool) -> Any:
        """For tree_select and each member of tree_multi_select."""
        if isinstance(given, Mapping) and isinstance(given.get("value"), str):
            self._judge_path(given, is_target=is_target)
            return given
        value: dict[str, Any] | None = None
        for option in reversed(self._meant(given, is_target=is_target).path):
            value = {"children": value, "value": option.value}
        return value

    def _judge_path(self, given: Mapping[str, Any], *, is_target: bool) -> None:
        """Every step must be an option; the remote system checks whether the steps form a path."""
        step: Any = given
        while isinstance(step, Mapping) and isinstance(step.get("value"), str):
            self._judge(step["value"], is_target=is_target)
            self._refuse_contradiction(step, self.by_value.get(step["value"]))
            step = step.get("children")
        if step not in (None, "", []):
            reason = (
                f'children of a value of {named(self.field)} are {{"value": "<option id>", "children": …}}, or null'
            )
            raise RefusedError(Code.BAD_VALUE, reason)

    def _judge(self, value: str, *, is_target: bool) -> None:
        """A field without listed options may still have some, so nothing is refused."""
        if not is_target or not self.field.options:
            return
        known = self.by_value.get(value)
        if known is None:
            raise self._unknown(value)
        self._refuse_disabled(known)

    def _refuse_disabled(self, node: Node) -> None:
        if node.is_disabled:
            reason = f"option {shown(node.label)} of {named(self.field)} is disabled; enabled are: {self._enabled()}"
            raise RefusedError(Code.DISABLED_OPTION, reason)

    def _refuse_contradiction(self, given: Mapping[str, Any], node: Node | None) -> None:
        """A label may be outdated or in another language, but it must not be that of another option."""
        label = given.get("label")
        if node is None or not isinstance(label, str) or node in (called := self.called(label)):
            return
        if other := next((one for one in called if folded(one.option.label) == folded(label)), None):
            why = f"{shown(label)} is the label of {other.option.value}, and {node.option.value} is {shown(node.label)}"
            raise RefusedError(Code.BAD_VALUE, f"{named(self.field)}: {why}: give one of the two")

    def _meant(self, given: Any, *, is_target: bool) -> Node:
        word = self._word(given)
        if not self.field.options:
            reason = (
                f"the options of {named(self.field)} are not known, so {shown(word)} cannot be looked up: give its id"
            )
            raise RefusedError(Code.CANNOT_RESOLVE, reason)
        found = self._found(word)
        # A disabled option with the same label is ignored.
        meant = [node for node in found if not node.is_disabled] or found
        if not meant:
            raise self._unknown(word, is_name=True)
        if len(meant) > 1:
            raise self._ambiguous(meant, f"options of {named(self.field)} are called {shown(word)}")
        if _is_number(given):
            self._refuse_twins(word, meant[0])
        if isinstance(given, Mapping) and isinstance(given.get("option_id"), str):
            self._refuse_contradiction(given, meant[0])
        if is_target:
            self._refuse_disabled(meant[0])
        return meant[0]

    def _found(self, word: str) -> list[Node]:
        """First by the unchanged word, because a label may contain quotes or a slash."""
        bare = word.strip()
        bare = bare[1:-1] if len(bare) > 1 and bare[0] + bare[-1] in _QUOTES else bare
        return self.called(word) or self.called(bare) or self.called("/".join(_STEP.split(bare)))

    def _refuse_twins(self, word: str, meant: Node) -> None:
        """A number may have been written differently: 1.10 became 1.1."""
        twins = [node for node in self.nodes if node is not meant and _is_same(node.option.label, word)]
        if twins:
            raise self._ambiguous([meant, *twins], f"options of {named(self.field)} are the number {word}")

    def _ambiguous(self, nodes: Sequence[Node], what: str) -> RefusedError:
        candidates = listed(f"{shown(node.label)} ({node.option.value})" for node in nodes)
        return RefusedError(
            Code.AMBIGUOUS, f"{len(nodes)} {what}: {candidates}; use the id, or the label as a text", is_name=True
        )

    def _word(self, given: Any) -> str:
        written = Written.of(given)
        if written is not None and written.kind in (Kind.DATE, Kind.TIME):
            why = f"{named(self.field)} takes an option, not the {written.kind} {shown(written.as_seen)}"
            raise RefusedError(Code.BAD_VALUE, f"{why}: {AS_TEXT}")
        if written is not None:
            given = written.as_seen
        elif isinstance(given, Mapping):
            given = next((given[key] for key in ("option_id", "label") if isinstance(given.get(key), str)), None)
        if isinstance(given, bool):
            given = str(given).lower()
        if isinstance(given, str | int | float) and str(given).strip():
            return str(given)
        reason = f'{named(self.field)} takes an option, by its label or as {{"value": "<option id>"}}'
        raise RefusedError(Code.BAD_VALUE, reason)

    def _unknown(self, word: str, *, is_name: bool = False) -> RefusedError:
        reason = f"{named(self.field)} has no option {shown(word)}{self._hint(word)}"
        return RefusedError(Code.UNKNOWN_OPTION, reason, is_name=is_name)

    def _hint(self, word: str) -> str:
        node_of = {one: node for node in reversed(self.nodes) if not node.is_disabled for one in node.words()}
        near = nearest(word, tuple(node_of))
        if near is None:
            return f"; there are: {self._enabled()}"
        return f"; the nearest is {shown(node_of[near].label)} ({node_of[near].option.value})"

    def _enabled(self) -> str:
        return listed(shown(node.label) for node in self.nodes if not node.is_disabled) or "none"


def _is_number(given: Any) -> bool:
    written = Written.of(given)
    if written is not None:
        return written.kind is Kind.NUMBER and written.shown is None
    return isinstance(given, int | float) and not isinstance(given, bool)


def _is_same(label: str, number: str) -> bool:
    try:
        return label.strip() != number and float(label) == float(number)
    except ValueError:
        return False


def _nodes(options: tuple[Option, ...], above: tuple[Option, ...]) -> Iterator[Node]:
    for option in options:
        path = (*above, option)
        yield Node(path)
        yield from _nodes(option.children, path)


def _indexed(nodes: Sequence[Node], form: Callable[[str], str]) -> Mapping[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        for word in {form(word) for word in node.words()}:
            found.setdefault(word, []).append(node)
    return found
