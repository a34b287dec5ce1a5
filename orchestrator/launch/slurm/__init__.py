"""Slurm as the engine: what a site asks for, the scripts, the commands, and what was submitted."""
