"""The programs that run in the environment of LLaMA-Factory."""
