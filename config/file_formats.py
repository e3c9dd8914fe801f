"""Which endings of a file's name tell its format."""

from typing import Final

FORMAT_OF_ENDING: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
