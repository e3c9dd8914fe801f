"""Streams a file of changes (CSV, JSON Lines, XLSX) into the inbox."""
