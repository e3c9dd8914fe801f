"""The command in this process, against an own corner of a real server; and a ledger that a test drives by hand."""

from tests.support.command import command, ledger, nothing_set

__all__ = ["command", "ledger", "nothing_set"]  # fixtures
