"""A table: one row per work item, one column per field. Cells that agree in column and value become one intent."""
