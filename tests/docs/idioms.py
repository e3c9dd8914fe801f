"""Translated idioms that plain English does without, each with what to write in its place.

One list for the documents and for the texts of the product. Code spans, code blocks and link targets do not count in documents:
names of settings, keys and events are what they are.
"""

import re
from typing import NamedTuple


class Idiom(NamedTuple):
    pattern: re.Pattern[str]
    instead: str


class Found(NamedTuple):
    line: int
    words: str
    instead: str


_INSTEAD = {
    r"who(?:m)?ever": "name the actor: a program, a producer, you",
    r"(?:tak(?:e|es|en|ing)|took)(?: \w+)? in(?! (?:a|the|an|this|its)\b)": "accepted, recorded",
    r"mend(?:s|ed|ing)?": "fixed, resolved",
    r"wish(?:es|ed|ing)?": "request, intent, wanted value",
    r"gets? on\b(?! with)": "is healthy, works",
    r"as a rule": "by default, usually",
    r"(?:hold|holds|held|holding) \w*\s?up|hold-?ups?": "blocks, delays",
    r"ma(?:de|ke|kes|king) known": "published",
    r"doors?": "entry point, or its name: library, Celery task, import",
    r"stand-ins?": "simulator (the sandbox)",
    r"once more": "again",
    r"to be had": "free, available",
    r"becom(?:e|es) of|became of": "the result of, what happened to",
    r"answers? for every item": "reports a result for every item",
    r"stands? still|stood still|standing still": "is stalled",
    r"leave to send": "permission to send",
    r"(?:be|is|are|was|were) heeded|heeds?": "respected, followed",
    r"strangers?": "unknown entries",
    r"without a word": "silently",
    r"is well|gets well|all is well|are well": "is healthy",
    r"in its hands|with a request in": "while it was handling",
    r"brings? along": "depends on, installs",
    r"lies? in the queue": "stays in the queue",
    r"lets? go of": "releases",
    r"anew": "again, new",
    r"goes without saying|up to now|all the same": "leave it out",
    r"(?:some|any|no|every)body|someone": "name the actor: an operator, a worker, a client, the remote system",
    r"told": "say what it holds: text, parts, report; reported",
    r"for want of": "because there is no",
    r"under way": "in progress",
    r"c(?:a|o)mes? of": "the result of",
    r"standstill": "stalled, pause",
    r"keeps? its course": "is not affected",
    r"wr(?:ite|ites|iting|itten|ote)(?: it| them)? down": "record",
    r"leave to": "permission to",
    r"(?:left|leave|leaves|leaving)(?: it| them)? alone": "skip",
    r"go(?:es|ing|ne)? on(?! (?:the|a|an|its|at|both)\b)|went on": "continue",
    r"for good": "permanently",
    r"in vain": "without success",
    r"answers for": "report a result for",
    r"and the like": "name the others, or leave it out",
    r"ha(?:s|ve) to be": "must be",
}
IDIOMS = tuple(
    Idiom(re.compile(rf"\b(?:{words})\b".replace(" ", r"\s+"), re.IGNORECASE), instead)  # also across the end of a line
    for words, instead in _INSTEAD.items()
)

_IN_CODE = tuple(
    Idiom(re.compile(rf"(?<![a-z])(?:{words.replace(' ', '[ _]')})(?![a-z])", re.IGNORECASE), instead)
    for words, instead in _INSTEAD.items()
)

_NOT_PROSE = re.compile(r"```.*?```|`[^`\n]*`|(?<=\])\([^)\s]*\)|<[^>\s]+>|^<!--.*?-->$", re.DOTALL | re.MULTILINE)


def idioms_of_code(source: str) -> list[Found]:
    """Every one in a source file: texts, comments and names, in which an underscore is a blank."""
    return idioms_of(source, _IN_CODE)


def idioms_of(text: str, idioms: tuple[Idiom, ...] = IDIOMS) -> list[Found]:
    """Every one in a text of the product, with its line, from 1."""
    found = [
        Found(text.count("\n", 0, match.start()) + 1, match[0], idiom.instead)
        for idiom in idioms
        for match in idiom.pattern.finditer(text)
    ]
    return sorted(found)


def idioms_of_page(markdown: str) -> list[Found]:
    """Every one in the prose of a document."""
    return idioms_of(_NOT_PROSE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), markdown))
