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

    @classmethod
    def of(cls, intent: UpdateIntent) -> Self:
        text, digest = intent.packed()
        return cls(intent.intent_id, digest, text)


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
