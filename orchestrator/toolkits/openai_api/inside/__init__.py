"""The programs that run in the environment of the client."""
