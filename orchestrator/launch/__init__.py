"""Starting a toolkit's processes, and saying why they failed."""
