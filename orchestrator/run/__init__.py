"""Doing what is planned: one stage after another, with a record of each, to results."""

from pathlib import Path

RUNS, RESULTS = Path("runs"), Path("results")  # where no others are given
RECIPE = "recipe.yaml"  # in a run's folder: what is run there
