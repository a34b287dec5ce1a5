"""Programs that run inside a toolkit's own environment. They import nothing from the orchestrator."""
