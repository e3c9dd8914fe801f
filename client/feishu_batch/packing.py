"""Intents in their written form, and how many of them one script may write."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from feishu_batch.intents import UpdateIntent

# Redis serves no other client while a script runs: a bounded script means a bounded wait for all clients.
CHUNK_INTENTS = 500
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PackedIntent:
    """An intent, ready to be written."""

    intent_id: str
    digest: str
    json: str
    items: int = 0
    change_set: str | None = None

    @classmethod
    def of(cls, intent: UpdateIntent, digest: str | None = None) -> Self:
        """`digest`: of what counts as its content, if that is not all of it."""
        text, own = intent.packed()
        return cls(intent.intent_id, digest or own, text, len(intent.work_item_ids), intent.change_set)

    def arguments(self) -> tuple[str, str, str]:
        """Of enqueue.lua."""
        digest = f"{self.digest} {self.items} {self.change_set}" if self.change_set else self.digest
        return self.intent_id, digest, self.json


def chunks(intents: Sequence[PackedIntent]) -> Iterator[list[PackedIntent]]:
    """In order. The largest possible intent fits into a chunk."""
    chunk: list[PackedIntent] = []
    size = 0
    for intent in intents:
        length = len(intent.json.encode())
        if chunk and (len(chunk) == CHUNK_INTENTS or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(intent)
        size += length
    if chunk:
        yield chunk
