"""Doing what is planned: one stage after another, with a record of each, to results."""
