"""A file that is something else than its name says is told what it is, and how to go on."""

import io
import zipfile

import pytest

from tests.importing.books import book, cells, saved
from tests.support.rows_factory import csv_text, row

COMPOUND = bytes.fromhex("D0CF11E0A1B11AE1") + b"\0" * 600


def archive(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return out.getvalue()


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.csv", "a.xlsm", "a.et", "a.ods"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (COMPOUND, "a workbook in the old format (.xls): save it as “Excel Workbook (.xlsx)”"),
        (COMPOUND + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (b"<html><body><table>", "this is a web page"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>", "this is a web page"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook>', "this is an XML file"),
        (b"%PDF-1.7", "this is a PDF file"),
        (archive(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "OpenDocument sheet (.ods)"),
        (archive(xl__workbook_DOT_bin="x"), "binary workbook (.xlsb)"),
        (archive(Index__Document_DOT_iwa="x"), "Numbers document"),
    ],
    ids=range(9),
)
def test_another_kind_of_file_is_named_whatever_it_is_called(command, tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    result = command("plan", path)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", lambda: saved(book(cells())).getvalue(), "give --format xlsx"),
        ("a.xls", lambda: saved(book(cells())).getvalue(), "give --format xlsx"),
        ("a.xlsx", lambda: csv_text(row()).encode(), "give --format csv or jsonl"),
        ("a.xls", lambda: csv_text(row()).encode(), "give --format csv or jsonl"),
        ("a.csv", lambda: archive(readme="x"), "this is a ZIP archive"),
        ("a.ods", lambda: b"", "its extension is that of another kind of workbook"),
    ],
)
def test_a_file_with_the_ending_of_another_kind_is_refused_with_its_real_one(command, tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content())
    result = command("plan", path)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    if "--format" in told:
        kind = told.split()[2]
        assert command("plan", path, "--format", kind).exit_code == 0
