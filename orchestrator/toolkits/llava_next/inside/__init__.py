"""The programs that run in the environment of LLaVA-NeXT."""
