"""From a recipe to jobs and stages: keys, commands, devices, and what is wrong before anything starts."""
