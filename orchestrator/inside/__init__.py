"""What the programs share that run inside a toolkit's own environment. They import nothing else of the orchestrator."""
