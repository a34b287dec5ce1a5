"""Runs beside each other: who is better, by how much, and whether the test set can tell."""
