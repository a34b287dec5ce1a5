"""A thin orchestrator over the fine-tuning toolkits that the MMLA benchmark's models live in."""

__version__ = "0.1.0"
