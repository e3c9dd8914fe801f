"""Views of the ledger, plans, cancel and retry, for the commands and the status page."""
