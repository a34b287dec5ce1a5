"""Recipes: their sections, how files are read and checked, their JSON Schema."""
