"""The benchmark as data: tasks, models, and what the authors published and released."""
