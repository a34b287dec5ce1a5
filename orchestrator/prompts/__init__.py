"""From samples to prompts, training examples and requests."""
