"""Asks the hub of HF_ENDPOINT, inside a toolkit's environment, for a model whose commit is pinned."""

from __future__ import annotations

from orchestrator.inside import hub_pins


def main() -> None:
    hub_pins.apply()
    from transformers import CLIPVisionConfig

    CLIPVisionConfig.from_pretrained("some/clip")
