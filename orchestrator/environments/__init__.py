"""The toolkits' own virtual environments."""
