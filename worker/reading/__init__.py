"""Reading cells of work items: what a file would change (`plan --diff`), and a table of what is there (`export`)."""
