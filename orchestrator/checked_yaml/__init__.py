"""YAML to values that know their place, and pydantic models whose errors name it."""
