"""The programs that run in the environment of VideoLLaMA2."""
