"""Workbooks for tests, made by openpyxl, and with parts as other programs write them."""

import io
import zipfile

import openpyxl

from tests.support.rows_factory import HEADER, PROJECT

SHEET = "xl/worksheets/sheet1.xml"


def cells(items=1, after="x", *more, field="note"):
    return [PROJECT, "story", items, field, "UPDATE", after, *more]


def book(*rows, header=HEADER, title="Plan"):
    made = openpyxl.Workbook()
    made.active.title = title
    for one in (header, *rows):
        made.active.append(one)
    return made


def saved(made):
    out = io.BytesIO()
    made.save(out)
    out.seek(0)
    return out


def with_part(stream, change, name=SHEET):
    """The same workbook with a part changed: `change` takes its text and gives the new one."""
    out = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            text = old.read(part)
            if part == name:
                changed = change(text.decode()).encode()
                assert changed != text
                text = changed
            new.writestr(part, text)
    out.seek(0)
    return out


def with_cell(xml):
    """A workbook of one row whose after_field_value is this XML."""
    made = saved(book(cells(1, "MARK")))
    with zipfile.ZipFile(made) as archive:
        text = archive.read(SHEET).decode()
    start = text.index('<c r="F2"')
    end = text.index("</c>", start) + len("</c>")
    return with_part(made, lambda text: text[:start] + xml + text[end:])
