"""The work of each kind of stage, a module each."""
