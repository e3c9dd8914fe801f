"""What people write in cells and options: ids, numbers, dates, people, error texts. Pure functions that know no field."""
