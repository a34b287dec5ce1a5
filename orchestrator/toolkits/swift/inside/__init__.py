"""The programs that run in the environment of ms-swift."""
