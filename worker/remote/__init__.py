"""The client of the remote API: pure tables and parsers around one network seam (`transport`)."""
