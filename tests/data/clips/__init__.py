"""Tests of `orchestrator.data.clips`."""
