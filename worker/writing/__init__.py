"""Parses what people write in cells and options: ids, numbers, dates, people, error texts. Pure functions, independent of fields."""
