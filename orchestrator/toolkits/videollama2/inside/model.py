"""Loads a VideoLLaMA2 model for ``infer.py``, inside the toolkit's environment.

VideoLLaMA2's own loader is not used: it tells an adapter by the name of its folder, takes base model and vision tower
from the paths that were true in training, and hard-codes fp16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.inside import hub_pins
from orchestrator.inside.answerer import PRECISIONS


class Model:
    """A VideoLLaMA2 model with its tokenizer, complete (``model``) or put together from parts and an adapter."""

    def __init__(self, config: dict[str, Any]) -> None:
        import torch  # before transformers, as VideoLLaMA2 asks for
        from transformers import AutoTokenizer
        from videollama2.model import VLLMConfigs, VLLMs

        if config["device"] == "cuda" and not torch.cuda.is_available():
            raise SystemExit("device is cuda, but this machine offers no usable GPU to torch")
        hub_pins.apply()
        adapter, parts = config.get("adapter"), config.get("parts") or {}
        source = parts["llm"] if adapter else config["model"]
        revision = None if adapter else config.get("revision")
        dtype = getattr(torch, PRECISIONS[config["precision"]])
        attention = config.get("attention", "auto")
        settings = self._settings(VLLMConfigs, adapter or source, revision)
        # where the tower lies now, not where it lay in training
        settings.mm_vision_tower = parts.get("vision_tower", settings.mm_vision_tower)
        self.tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, use_fast=True)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.unk_token
        self.model, loading = VLLMs[settings.model_type].from_pretrained(
            source,
            revision=revision,
            config=settings,
            torch_dtype=dtype,
            low_cpu_mem_usage=True,
            attn_implementation=None if attention == "auto" else attention,
            output_loading_info=True,
        )
        missing = set(loading["missing_keys"])
        if adapter:
            missing -= self._load_projector(Path(adapter))
            # before the tower, whose layers have the same names as those that the adapter is for
            self._load_adapter(Path(adapter))
        if missing:
            raise SystemExit(f"{source} lacks {len(missing)} weights of a VideoLLaMA2 model, e.g. {sorted(missing)[0]}")
        tower = self.model.get_vision_tower()
        tower.load_model()
        self.model = self.model.to(device=config["device"], dtype=dtype).eval()
        self.processor = tower.image_processor

    @staticmethod
    def _settings(known: Any, folder: str, revision: str | None) -> Any:
        from transformers import PretrainedConfig

        content, _ = PretrainedConfig.get_config_dict(folder, revision=revision)
        kind = content.get("model_type")
        if kind not in known or "mm_vision_tower" not in content:
            raise SystemExit(f"{folder} is no VideoLLaMA2 model (its config.json says model_type {kind!r})")
        return known[kind].from_pretrained(folder, revision=revision)

    def _load_projector(self, adapter: Path) -> set[str]:
        """Load what was trained beside the adapter; returns the names of these weights."""
        import torch

        saved = torch.load(adapter / "non_lora_trainables.bin", map_location="cpu", weights_only=True)
        weights = {name.removeprefix("base_model.model."): value for name, value in saved.items()}
        # assign: these weights, which the language model lacks, have no memory yet
        result = self.model.load_state_dict(weights, strict=False, assign=True)
        if result.unexpected_keys:
            raise SystemExit(f"{adapter}: weights that the model does not have, e.g. {result.unexpected_keys[0]}")
        return set(weights)

    def _load_adapter(self, adapter: Path) -> None:
        """Put the LoRA layers into the model's modules and make sure that every one got its weights."""
        import torch
        from peft import PeftModel
        from safetensors.torch import load_file

        self.peft = PeftModel.from_pretrained(self.model, str(adapter))
        file = adapter / "adapter_model.safetensors"
        if file.is_file():
            given = load_file(file)
        else:
            given = torch.load(adapter / "adapter_model.bin", map_location="cpu", weights_only=True)
        wanted = sum("lora_" in name for name, _ in self.peft.named_parameters())
        if len(given) != wanted or not wanted:
            raise SystemExit(
                f"{adapter}: {len(given)} adapter weights for a model that takes {wanted}: not of this model"
            )
        # generate() of the base model goes through the adapter's layers: peft puts them into its modules
        self.model = self.peft.get_base_model()

    def merge_into(self, folder: str) -> None:
        """Write a complete model with the adapter in its weights."""
        merged = self.peft.merge_and_unload()
        merged.config.tune_mm_mlp_adapter = False
        merged.model.vision_tower.vision_tower = None  # the tower is loaded from its own place
        merged.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
