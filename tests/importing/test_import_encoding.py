"""In which encoding a text file is: one verdict before its first row, and never a garbled text."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.rows_factory import csv_text, row
from worker.importing import encoding as encoding_module
from worker.importing.columns import ImportFileError
from worker.importing.encoding import LONGEST_LINE, text_encoding
from worker.importing.row import Row
from worker.importing.rows import Format, read_rows
from worker.importing.table import Table


def values(data, encoding=None, kind=Format.CSV):
    return [r.intent.after_field_value for r in read_rows(io.BytesIO(data), kind, "x", Table(encoding=encoding))]


def data(*texts, encoding="utf-8"):
    return csv_text(*[row(str(n), after=text) for n, text in enumerate(texts, start=1)]).encode(encoding)


# Common characters whose bytes in GBK are valid UTF-8: read as such they would be stored garbled, without a word.
COMMON = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所"
    "民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日"
    "那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想"
    "已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指"
    "几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权"
    "收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集"
    "温传土许步群广石记需段研界拉林律叫且究观越织装"
)
TRAPS = ("一", "要", "页", "药", "小", "么", "没", "茅台", "业", "学")


@pytest.mark.parametrize(
    "texts",
    [
        ("plain",),
        ("完了",),
        ("一",),
        ("，",),
        ("café",),
        ("Ångström", "naïve"),
        ("CAFÉ",),
        ("Привет",),
        ("Straße", "a\u00a0b"),
        ("😀",),
        ("ěščřžýáíé",),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("named", [None, "utf-8", "UTF8", "utf-8-sig"])
def test_utf_8_is_read_without_being_named(texts, mark, named):
    assert values(data(*texts, encoding=mark), named and text_encoding(named)) == list(texts)


@pytest.mark.parametrize("texts", [("上线说明", "丂丄€"), ("一", "上线"), ("完了", "ok", "页")], ids=ascii)
@pytest.mark.parametrize("written", ["gbk", "gb18030"])
def test_gb18030_is_recognised_and_read_when_it_is_named(texts, written):
    if written == "gbk" and "€" in "".join(texts):
        texts = texts[:1]
    made = data(*texts, encoding=written)
    for named in (None, "utf-8"):
        with pytest.raises(ImportFileError, match=r"looks like GB18030 .* reads '.*'.* --encoding gb18030"):
            values(made, named)
    assert values(made, "gb18030") == list(texts)


@pytest.mark.parametrize("text", TRAPS)
def test_gbk_that_happens_to_be_valid_utf_8_is_not_stored_garbled(text):
    """Of the bytes alone nobody can tell; so both readings are shown, and one is to be named."""
    made = data("ok", text, encoding="gbk")
    garbled = made.decode().splitlines()[2].split(",")[5]
    assert garbled != text
    with pytest.raises(ImportFileError, match=rf"line 3 reads .*{garbled}.* as UTF-8 and .*{text}.* as GB18030"):
        values(made)
    assert values(made, "gb18030") == ["ok", text]
    assert values(made, "utf-8") == ["ok", garbled]


@given(st.lists(st.text(st.sampled_from(COMMON), min_size=1, max_size=6), min_size=1, max_size=30))
def test_no_chinese_text_in_gbk_is_ever_taken_for_another(texts):
    made = data(*texts, encoding="gbk")
    with pytest.raises(ImportFileError, match=r"--encoding gb18030|mixes"):
        values(made)


@pytest.mark.parametrize(
    ("made", "named", "complaint"),
    [
        (
            data("x").replace(b"x", b"\xff\xfe"),
            None,
            "line 2 is neither UTF-8 nor GB18030: name its encoding with --encoding",
        ),
        (data("résumé", encoding="latin-1"), None, "line 2 is neither UTF-8 nor GB18030: name its encoding"),
        (data("a", "完了", "x").replace(b"x", b"\xff"), None, "mixes encodings: line 4 is not UTF-8, and line 3 is"),
        (data("完了") + data("上线", encoding="gbk"), None, "mixes encodings: line 4 is not UTF-8, and line 2 is"),
        (data("完了") + data("上线", encoding="gbk"), "gb18030", "mixes encodings: line 2 is UTF-8, but"),
        (data("完了") + data("完", "中文", encoding="gbk"), "utf-8", "mixes encodings"),
        (data("完了"), "gb18030", "it is UTF-8, but --encoding says gb18030: leave --encoding out"),
        (data("MARK", encoding="gbk").replace(b"MARK", b"\x81\x20\xff"), "gb18030", "line 2 is not gb18030"),
        (data("完", encoding="utf-8-sig") + b"\xff", None, "mixes encodings"),
        (data("完", encoding="utf-16"), None, "the file is UTF-16"),
        (data("完", encoding="utf-16-le"), None, "line 1 has a NUL character: .*UTF-16"),
        (data("a\0b"), None, "line 2 has a NUL character"),
        (data("a", "b").replace(b"\n", b"\r"), None, "CR only"),
    ],
    ids=range(13),
)
def test_a_file_that_is_not_one_encoding_is_refused_with_the_line_before_its_first_row(made, named, complaint):
    for kind in (Format.CSV, Format.JSONL):
        with pytest.raises(ImportFileError, match=complaint):
            next(read_rows(io.BytesIO(made), kind, "x", Table(encoding=named)))


def test_the_last_line_of_a_long_file_counts_for_the_verdict():
    made = data(*["ok"] * 5000, "上线说明", encoding="gbk")
    with pytest.raises(ImportFileError, match="line 5002 reads"):
        values(made)


def test_one_line_in_a_thousand_may_look_like_utf_8_by_chance(monkeypatch):
    monkeypatch.setattr(encoding_module, "_STRAY", 10)
    chance = "完了".encode().decode("gbk")  # three characters whose bytes in GBK are two in UTF-8
    made = data(*["上线说明"] * 20, chance, encoding="gbk")
    assert values(made, "gb18030")[-1] == chance


def test_the_mark_of_utf_8_says_more_than_what_was_named():
    assert values(data("完了", encoding="utf-8-sig"), "gb18030") == ["完了"]


def test_a_line_that_is_too_long_does_not_spoil_the_verdict_of_its_file():
    made = data("完" * LONGEST_LINE, "完了")
    found = list(read_rows(io.BytesIO(made), Format.CSV, "x"))
    assert "longer than" in found[0].reason
    assert isinstance(found[1], Row)


@pytest.mark.parametrize("name", ["utf-16", "utf-7x", "base64", "cp037"])
def test_an_encoding_that_cannot_be_read_by_lines_is_refused(name):
    with pytest.raises(ValueError, match=name):
        text_encoding(name)


@pytest.mark.parametrize("name", ["latin-1", "cp1252"])
def test_another_encoding_is_read_when_it_is_named(name):
    assert values(data("résumé", encoding=name), text_encoding(name)) == ["résumé"]
