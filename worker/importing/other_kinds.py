"""Files of another kind than their name suggests: detected by their first bytes, with advice."""

import zipfile
from typing import BinaryIO, Final

_AS_XLSX: Final = "save it as “Excel Workbook (.xlsx)”"
_COMPOUND: Final = bytes.fromhex("D0CF11E0A1B11AE1")  # old workbooks, and workbooks with a password
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_ZIP: Final = b"PK\x03\x04"
_PDF: Final = b"%PDF"
_HEAD: Final = 64 * 1024


def kind_instead(stream: BinaryIO, *, is_workbook: bool) -> str | None:
    """The kind of the file, if it is not the expected one: a workbook (XLSX), or text. The stream is at its beginning afterwards."""
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(0)
    if head.startswith(_COMPOUND):
        return _compound(stream)
    if head.startswith(_PDF):
        return f"this is a PDF file: {_AS_XLSX} in the original program"
    if head.startswith(_ZIP):
        return _archive(stream, is_workbook=is_workbook)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<html", b"<!doctype html", b"<table", b"<meta", b"<head")) or b"<html" in start:
        return f"this is a web page with the name of a table: open it in a spreadsheet program and {_AS_XLSX}"
    if start.startswith(b"<"):
        return f"this is an XML file: open it in a spreadsheet program and {_AS_XLSX}"
    if is_workbook and head and b"\0" not in head:
        return "this is a text file, not a workbook: give --format csv or jsonl"
    return None


def _compound(stream: BinaryIO) -> str:
    stream.seek(0)
    content = stream.read(1024 * 1024)
    stream.seek(0)
    if _ENCRYPTED in content:
        return f"the workbook is protected by a password: {_AS_XLSX} without one"
    return f"this is a workbook in the old format (.xls): {_AS_XLSX}"


def _archive(stream: BinaryIO, *, is_workbook: bool) -> str | None:
    try:
        with zipfile.ZipFile(stream) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError):
        names, kind = set(), b""
    stream.seek(0)
    if b"opendocument" in kind:
        return f"this is an OpenDocument sheet (.ods): {_AS_XLSX}"
    if any(name.endswith(".iwa") for name in names):
        return f"this is a Numbers document: {_AS_XLSX}"
    if "xl/workbook.bin" in names:
        return f"this is a binary workbook (.xlsb): {_AS_XLSX}"
    if not is_workbook:
        is_book = any(name.startswith("xl/") for name in names)
        return "this is an XLSX workbook: give --format xlsx" if is_book else "this is a ZIP archive: unpack it first"
    return None
