"""From a file of wishes (CSV or JSON Lines) into the inbox, as a stream."""
