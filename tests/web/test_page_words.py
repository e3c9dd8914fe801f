"""The texts of the page: complete in every language, none unused, and none anywhere else."""

import re
from html.parser import HTMLParser
from itertools import chain

import pytest

from feishu_batch.outcomes import LABELS
from feishu_batch.results import IntentState, Progress
from worker.ledger.records import BatchState
from worker.operating.details import ItemState
from worker.operating.explaining import explained_codes
from worker.operating.retry.decision import SkipReason
from worker.operating.undo import NotUndoneWhy
from worker.web.app import STATIC
from worker.web.languages import CODES, ENGLISH, LANGUAGES, PAGE, WORDS, language_for, page_in, words_of

OTHERS = [one for one in LANGUAGES if one != ENGLISH]
SCRIPTS = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.js")}
SERVER = {path.name: path.read_text("utf-8") for path in PAGE.parent.glob("*.py")}
# Keys that are put together from a family and a name that the server sends.
FAMILIES = {
    "state": set(IntentState),
    "item": {*(state.replace(" ", "_") for state in ItemState), *Progress.__slots__, "skipped"} - {"total"},
    "job": set(BatchState),
    "skip": {one.name.lower() for one in SkipReason},
    "undo_why": {one.name.lower() for one in NotUndoneWhy},
}
VALUE = re.compile(r"\{(\w+)\}")


def texts(language):
    return {key: text for key, text in words_of(language).items() if key != CODES}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_texts_with_the_same_values_in_them(language):
    english, other = texts(ENGLISH), texts(language)
    assert list(other) == list(english)  # and in the same order, so that they can be read side by side
    assert {key: set(VALUE.findall(text)) for key, text in other.items()} == {
        key: set(VALUE.findall(text)) for key, text in english.items()
    }
    assert all(text.strip() for text in (*english.values(), *other.values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_a_failure_is_explained(language):
    known = words_of(language)[CODES]
    assert known.keys() == explained_codes().keys()
    assert all(meaning and advice for meaning, advice in known.values())


def test_chinese_is_chinese():
    same = {key for key, text in texts("zh").items() if not re.search("[一-鿿]", text)}
    assert same == {
        "language.tag",
        "language.other",
        "title.left",
        "list",
        "row.field",
        "fact.id",
        "intent.retried",
    }  # no words
    assert all(re.search("[一-鿿]", text) for text in chain.from_iterable(words_of("zh")[CODES].values()))


def test_no_text_is_missing_and_none_is_unused():
    """A dotted key may stand anywhere; one word is a key only where it is asked for."""
    whole, page = "\n".join((*SCRIPTS.values(), *SERVER.values())), PAGE.read_text("utf-8")
    known = set(texts(ENGLISH))
    roots = {key.partition(".")[0] for key in known if "." in key}
    dotted = {key for key in re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', whole) if key.partition(".")[0] in roots}
    asked = set(re.findall(r"\bt\(\"([\w.]+)\"", whole)) | set(
        re.findall(r"\bt\([^\"()]*\? \"[\w.]+\" : \"([\w.]+)\"", whole)
    )
    of_families = {f"{family}.{name}" for family, names in FAMILIES.items() for name in names}
    used = dotted | asked | of_families | set(re.findall(r"\{\{([\w.]+)\}\}", page)) - {"words"} - EVENTS
    assert (known - used, used - known - EVENTS) == (set(), set())


EVENTS = {"page.order", "page.look_failed"}  # of the log


def test_families_are_named_by_the_scripts():
    named = set(re.findall(r"""\bnamed\("(\w+)\"""", "".join(SCRIPTS.values())))
    assert named == set(FAMILIES)


def test_the_counts_of_a_row_are_those_of_the_product():
    [order] = re.findall(r"ORDER = (\[.*\])", SCRIPTS["parts.js"])
    ours = [*LABELS, "in_flight", "pending"]
    assert [one for one in re.findall(r'"(\w+)"', order) if one != "skipped"] == ours, "skipped: of the failed ones"
    assert {*ours, "skipped"} <= set(re.findall(r"\.(\w+)", (STATIC / "page.css").read_text()))


# --- no text elsewhere ----------------------------------------------------------------------------------------------


class Texts(HTMLParser):
    """What a reader sees or hears of the page, but for code."""

    SPOKEN = ("title", "alt", "placeholder", "aria-label")

    def __init__(self):
        super().__init__()
        self.inside, self.found, self.names = [], [], set()

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "link", "img", "input"}:
            self.inside.append(tag)
        self.names |= {tag}
        for name, value in attrs:
            if name in self.SPOKEN and value:
                self.found.append(value)
            if name in {"id", "class"}:
                self.names |= set(value.split())

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        if not {"code", "pre", "script", "title"} & set(self.inside) and data.strip():
            self.found.append(data.strip())


@pytest.fixture(scope="module")
def html():
    parser = Texts()
    parser.feed(PAGE.read_text("utf-8"))
    return parser


def test_the_page_itself_has_no_text(html):
    assert [text for text in html.found if re.sub(r"\{\{[\w.]+\}\}|[()\s]", "", text)] == ["feishu-batch"]


TOKEN = re.compile(r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<text>"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)""", re.DOTALL)
EXPRESSION = re.compile(r"\$\{((?:[^{}]|\{[^{}]*\})*)\}")
# Words of browsers, of HTTP and of the server's answers; names of commands, which are the same in every language.
WORDS_OF_THE_WEB = """
    a article button code dd div dl dt h2 h3 i b li p small span strong section ul input label polite none blank
    click submit close cancel message visibilitychange pagehide pageshow search
    aria-label aria-expanded role img status title-paused string number application/json POST
    before_field_value after_field_value value text values id kind csv xlsx go retry undo since until en zh detail noreferrer _blank use
    medium short requests unknown jobs nothing open words page find feishu-batch plan FILE --diff
    select option details summary table tr th td file change MB gb18030 GB18030 csv jsonl application/octet-stream
space type_key id_column sheet hidden include clear encoding write append ignore again
changed cleared unchanged not_known no_such_item refused
changed_meanwhile now
status_page_language path max-age samesite strict Content-Type X-CSRF-Token item change_set
"""
TECHNICAL = set(WORDS_OF_THE_WEB.split())


def literals(source):
    for found in TOKEN.finditer(source):
        if text := found["text"]:
            yield EXPRESSION.sub(" ", text[1:-1])
            for inner in EXPRESSION.findall(text):
                yield from literals(inner)


def test_the_scripts_have_no_text(html):
    styles = set(re.findall(r"\.([a-z_-]+)", (STATIC / "page.css").read_text()))
    known = TECHNICAL | styles | html.names | set(texts(ENGLISH)) | set(FAMILIES) | set(ItemState) | set(IntentState)
    known |= set(BatchState) | {"submit", "poll", "pending", "in_flight"}
    strange = []
    for name, source in SCRIPTS.items():
        for literal in literals(source):
            if literal.startswith(("./", "/api/", "/login", "/logout")) or literal == "use strict":
                continue
            words = re.findall(r"[^\W\d_][\w/.-]*|--\w+", literal)
            strange += [(name, literal, word) for word in words if word.strip(".:") not in known]
    assert strange == []


def test_the_search_for_texts_finds_them():
    source = """put(node, `Paused for ${since(lane.at)}`); label(x, "Nothing to do"); // "a comment"\nt("item.none")"""
    assert list(literals(source)) == ["Paused for  ", "Nothing to do", "item.none"]


# --- which language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        (None, "zh-Hant-TW", "zh"),
        (None, "fr-FR, fr;q=0.9, zh;q=0.3", "zh"),
        (None, "en;q=0.2, zh;q=0.7", "zh"),
        (None, "fr", "en"),
        (None, "zh;q=0", "en"),
        (None, "*, ;;q=, zh;q=7;x", "en"),
        ("zh", "en-US", "zh"),
        ("en", "zh-CN", "en"),
        ("../en", "zh-CN", "zh"),
    ],
)
def test_the_switch_decides_then_the_browser(chosen, accepted, language):
    assert language_for(chosen, accepted) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_page_is_whole_and_says_its_language(language):
    page = page_in(language)
    assert f'<html lang="{words_of(language)["language.tag"]}">' in page
    assert "{{" not in page
    data = page.partition('<script id="words" type="application/json">')[2].partition("</script>")[0]
    assert "<" not in data
    assert {path.stem for path in WORDS.glob("*.json")} == set(LANGUAGES)
