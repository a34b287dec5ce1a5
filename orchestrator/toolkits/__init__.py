"""The toolkits, each a package of its own here or elsewhere that holds all that knows it, and what they share."""
