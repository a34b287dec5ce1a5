"""The command line: one module per command, tables and the live view."""
