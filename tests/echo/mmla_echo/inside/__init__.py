"""The program that runs in the toolkit's own environment."""
