"""From answers to scores: parsing, metrics, signatures, the results CSV."""
