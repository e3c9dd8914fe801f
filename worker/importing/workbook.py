"""An XLSX workbook: its sheets, shared texts and number formats, and the checks for unreadable files.

After ECMA-376 part 1 (SpreadsheetML) and part 2 (packages).
"""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from xml.etree.ElementTree import Element, iterparse
from xml.parsers import expat

from worker.importing.columns import ImportFileError
from worker.importing.number_formats import BUILTIN, GENERAL

MOST_BYTES: Final = 2 * 1024**3  # unpacked; a million rows are about 400 MB
MOST_TEXT_BYTES: Final = 256 * 1024**2  # of shared texts
# Spreadsheets compress to a tenth or a thirtieth; deflate can reach a thousandth.
BOMB_RATIO, BOMB_BYTES = 200, 64 * 1024**2
TRUE: Final = ("1", "true")
CHUNK: Final = 1024 * 1024
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_STRICT: Final = "http://purl.oclc.org/ooxml/spreadsheetml/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}"
DAMAGED: Final = "is damaged, or not an XLSX workbook"
_LAYOUT: Final = re.compile(rb"hidden|mergeCell|\bht=[\"']0|\bwidth=[\"']0")
_LONGEST_MARK: Final = 16
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DAMAGES: Final = (
    expat.ExpatError,
    SyntaxError,  # ElementTree's
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    LookupError,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Sheet:
    title: str
    state: str  # visible, hidden or veryHidden
    part: str

    def in_words(self) -> str:
        return self.title if self.state == "visible" else f"{self.title} (hidden)"


@dataclass(slots=True)
class Workbook:
    """`has_layout`: parts that may have hidden rows or columns, or merged ranges. Texts and formats are in memory, rows are not."""

    archive: zipfile.ZipFile
    sheets: list[Sheet]
    is_1904: bool = False  # its dates begin in 1904
    is_to_be_calculated: bool = False  # formulas must be calculated when it is opened: the writing program did not
    texts: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)  # the code of each cell style
    has_layout: frozenset[str] = frozenset()

    def chosen(self, name: str | None) -> Sheet:
        """The sheet of this name, or the first visible one."""
        titles = ", ".join(sheet.in_words() for sheet in self.sheets)
        if name is not None:
            found = next((sheet for sheet in self.sheets if sheet.title == name), None)
            if found is None:
                raise ImportFileError(f"no sheet is named {name!r}; there are: {titles}")
            return found
        visible = next((sheet for sheet in self.sheets if sheet.state == "visible"), None)
        if visible is None:
            raise ImportFileError(f"every sheet of the workbook is hidden; name one with --sheet: {titles}")
        return visible


def open_workbook(stream: BinaryIO) -> Workbook:
    """Every part is decompressed once without storing it, so that damage is found before the first row. Raises `ImportFileError`."""
    try:
        archive = zipfile.ZipFile(stream)
        _refuse_bomb(archive.infolist())
        parts = [part for part in archive.infolist() if part.filename.endswith((".xml", ".rels"))]
        layouts = frozenset(part.filename for part in parts if _scan(archive, part))
        return _read(archive, layouts)
    except _DAMAGES as error:
        raise ImportFileError(f"{DAMAGED} ({str(error) or type(error).__name__})") from None
    except zipfile.BadZipFile:
        raise ImportFileError(DAMAGED) from None


def unescaped(text: str) -> str:
    """``_x000D_`` is the character of that number, in UTF-16 (22.9.2.19 ST_Xstring); a real ``_x`` is written ``_x005F_x``."""
    if "_x" not in text:
        return text
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:  # half a character: later checks of the text refuse it
        return plain


# --- its parts ------------------------------------------------------------------------------------------------------


def _read(archive: zipfile.ZipFile, layouts: frozenset[str]) -> Workbook:
    main = next((part for kind, part in _related(archive, "").values() if kind == "officeDocument"), None)
    if main is None:
        raise ImportFileError(DAMAGED)
    related = _related(archive, main)
    book = Workbook(archive, [], has_layout=layouts)
    for element in _elements(archive, main, "workbook"):
        _take(book, element, related)
    if not book.sheets:
        raise ImportFileError("the workbook has no sheet with rows")
    for kind, part in related.values():
        if kind == "sharedStrings":
            book.texts = list(_texts(archive, part))
        elif kind == "styles":
            book.formats = _formats(archive, part)
    return book


def _take(book: Workbook, element: Element, related: dict[str, tuple[str, str]]) -> None:
    match element.tag.removeprefix(f"{{{MAIN}}}"):
        case "workbookPr":
            book.is_1904 = element.get("date1904") in TRUE
        case "calcPr":
            book.is_to_be_calculated = element.get("fullCalcOnLoad") in TRUE
        case "sheet":
            kind, part = related[element.attrib[f"{{{_RELATIONS}}}id"]]
            if kind == "worksheet":  # not a chart
                book.sheets.append(Sheet(element.attrib["name"], element.get("state", "visible"), part))


def _related(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Id → (kind, name) of the related parts; those of the package itself for an empty name."""
    folder, name = posixpath.split(part)
    found = {}
    with archive.open(posixpath.join(folder, "_rels", f"{name}.rels")) as unpacked:
        for _, element in iterparse(unpacked):  # noqa: S314
            if element.tag == f"{_PACKAGE}Relationship" and element.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, element.attrib["Target"])).lstrip("/")
                found[element.attrib["Id"]] = (element.attrib["Type"].rpartition("/")[2], target)
    return found


def _elements(archive: zipfile.ZipFile, part: str, root: str) -> Iterator[Element]:
    """In the order of their end tags. Raises `ImportFileError` for the other dialect of the format."""
    with archive.open(part) as unpacked:
        for event, element in iterparse(unpacked, ("start", "end")):  # noqa: S314
            if event == "start" and element.tag == f"{{{_STRICT}}}{root}":
                raise ImportFileError(
                    "this is a “Strict Open XML” workbook: save it as “Excel Workbook (.xlsx)”, the usual kind"
                )
            if event == "end":
                yield element


def _texts(archive: zipfile.ZipFile, part: str) -> Iterator[str]:
    """The shared texts; the runs of a text are joined, without phonetic hints."""
    pieces: list[str] = []
    aside = 0
    with archive.open(part) as unpacked:
        for event, element in iterparse(unpacked, ("start", "end")):  # noqa: S314
            name = element.tag.removeprefix(f"{{{MAIN}}}")
            if name == "rPh":
                aside += 1 if event == "start" else -1
            elif event == "end" and name == "t" and not aside:
                pieces.append(element.text or "")
            elif event == "end" and name == "si":
                yield unescaped("".join(pieces))
                pieces.clear()
                element.clear()


def _formats(archive: zipfile.ZipFile, part: str) -> list[str]:
    """A file's own formats override those that are known by number only."""
    own: dict[int, str] = {}
    styles: list[int] = []
    for element in _elements(archive, part, "styleSheet"):
        name = element.tag.removeprefix(f"{{{MAIN}}}")
        if name == "numFmt":
            own[int(element.attrib["numFmtId"])] = element.attrib["formatCode"]
        elif name == "cellXfs":
            styles = [int(style.get("numFmtId", 0)) for style in element]
    return [own.get(one, BUILTIN.get(one, GENERAL)) for one in styles]


# --- before anything is unpacked into memory ------------------------------------------------------------------------


def _refuse_bomb(parts: Sequence[zipfile.ZipInfo]) -> None:
    """Checks the sizes that the archive states; reading stops at them."""
    unpacked, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
    if unpacked > MOST_BYTES or (unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed):
        raise ImportFileError(
            f"the workbook would unpack to {unpacked:,} bytes, far more than a real workbook of its size"
        )
    if texts > MOST_TEXT_BYTES:
        raise ImportFileError("the workbook has too many different texts to fit into memory; save the sheet as CSV")


def _scan(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Whether it may have hidden rows or columns, or merged ranges."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    found, tail = False, b""
    with archive.open(part) as unpacked:
        while chunk := unpacked.read(CHUNK):
            parser.Parse(chunk, False)
            found = found or _LAYOUT.search(tail + chunk) is not None
            tail = chunk[-_LONGEST_MARK:]
        parser.Parse(b"", True)
    return found


def _refuse_doctype(*_: object) -> None:
    raise ImportFileError("the workbook defines XML entities, which spreadsheet programs never do")
