"""Answer requests with ms-swift: its own loader, template, frames and engine, so that inference sees exactly what
training saw. Runs inside swift's environment: ``start.py infer.py config.json`` (see ``orchestrator/inside/``).

swift's engine does the work; what is done here is around it. Videos of the next batch are decoded while the model
answers this one. The adapter stays beside the base weights. A model's own decoding defaults are dropped; of these swift
would apply a repetition penalty to greedy answers, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.inside import answerer, label_answers, loop
from orchestrator.inside.thoughts import BEGIN, END, begun
from orchestrator.toolkits.swift.inside import audio, forms, patches
from orchestrator.toolkits.swift.inside.utterance import neutralise


def conversation(request: loop.Request) -> dict[str, Any]:
    """A request in swift's form, as the converter writes the training rows."""
    videos = [request["video"]] if request.get("video") else []
    # the sound of a clip that is shown goes with it (USE_AUDIO_IN_VIDEO)
    audios = [request["audio"]] if request.get("audio") and not videos else []
    messages = [
        {"role": role, "content": neutralise(text)}
        for turn in request.get("history") or ()
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    messages.append(
        {"role": "user", "content": "<video>" * len(videos) + "<audio>" * len(audios) + neutralise(request["prompt"])}
    )
    if request.get("system") is not None:
        messages.insert(0, {"role": "system", "content": request["system"]})
    return {"messages": messages, "videos": videos, **({"audios": audios} if audios else {})}


def without_grid_positions(arguments: dict[str, Any]) -> dict[str, Any]:
    """The engine's arguments for a batch without positions in three dimensions (Qwen-VL).

    transformers 4 passes on all of them with every new token and fails; without, it makes the same ones itself.
    """
    positions = arguments["inputs"].get("position_ids")
    if positions is not None and positions.dim() == 3:
        del arguments["inputs"]["position_ids"]
    return arguments


class SwiftAnswerer(answerer.LocalAnswerer):
    """A model in swift's engine; see `loop.Answerer`."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        if Path(config["model"]).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a local model needs nothing from the hub
        os.environ.setdefault("USE_HF", "1")  # else hub ids are looked up on ModelScope
        self._load()

    def _load(self) -> None:
        import torch
        from swift.infer_engine import RequestConfig, TransformersEngine
        from swift.model import get_model_processor
        from swift.template import get_template

        patches.install()
        forms.install(self.config.get("thinking") or "off")
        audio.install()

        class Engine(TransformersEngine):  # type: ignore[misc]
            """swift's engine for requests that are encoded already."""

            def _batch_encode(self, infer_requests: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
                return infer_requests, []

        config = self.config
        cuda = config["device"] == "cuda"
        if cuda and not torch.cuda.is_available():
            raise SystemExit("device is cuda, but this machine offers no usable GPU to torch")
        dtype = getattr(torch, answerer.PRECISIONS[config["precision"]])
        attention = config.get("attention", "auto")
        kind, _, template_type = config["template"].partition("/")
        model, processor = get_model_processor(
            config["model"],
            torch_dtype=dtype,
            model_type=kind,
            use_hf=True,
            revision=config.get("revision"),
            attn_impl=None if attention == "auto" else attention,
        )
        placed = set(map(str, (getattr(model, "hf_device_map", None) or {}).values()))
        if cuda and placed & {"cpu", "disk"}:
            raise SystemExit(
                f"the model does not fit into the memory of {torch.cuda.device_count()} GPUs; give it more"
            )
        template = get_template(processor, template_type=template_type or None, max_length=config.get("max_length"))
        template.set_mode("transformers")
        adapter = config.get("adapter")
        self.engine = Engine(model, template=template, adapters=[str(Path(adapter).resolve())] if adapter else [])
        self.template = template
        model = self.engine.model
        model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.model = getattr(model, "llm", model)  # MiniCPM-V gives its pictures to the language model in it
        template.model = self.engine.model  # some templates look at the model's configuration
        for weight in self.engine.model.parameters():  # an adapter is loaded in fp32
            if weight.is_floating_point() and weight.dtype != dtype:
                weight.data = weight.data.to(dtype)
        self._set_generation()
        self.clock.watch(self.engine.model)
        sampling: dict[str, Any] = {"temperature": 0.0}
        if config["temperature"] > 0:
            sampling = {"temperature": config["temperature"], "top_p": config["top_p"]}
        self.decoding = RequestConfig(max_tokens=int(config["max_new_tokens"]), repetition_penalty=1.0, **sampling)

    def _set_generation(self) -> None:
        """Of the model's own generation settings only the tokens that end an answer are kept."""
        from swift.template import update_generation_config_eos_token
        from transformers import GenerationConfig

        own = self.engine.generation_config.eos_token_id
        self.engine.generation_config = GenerationConfig(eos_token_id=own, top_k=None)
        update_generation_config_eos_token(self.engine.generation_config, self.template)

    def encode(self, request: loop.Request) -> dict[str, Any]:
        """What swift's template makes of a request, as in training; raises what is wrong with it."""
        from swift.infer_engine import InferRequest

        clip = answerer.clip_of(request)
        if clip and not Path(clip).is_file():
            raise FileNotFoundError(f"no video {clip}")
        encoded: dict[str, Any] = self.template.encode(
            InferRequest(**conversation(request)), return_template_inputs=True
        )
        return encoded

    def answer_ids(self, text: str) -> list[int]:
        """See `LocalAnswerer.answer_ids`."""
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
        prompt = self.template.encode({"messages": turns[:1]})["input_ids"]
        self.template.set_mode("train")
        try:
            whole = self.template.encode({"messages": turns})["input_ids"]
        finally:
            self.template.set_mode("transformers")
        ends = self.engine.generation_config.eos_token_id
        stops = set(ends if isinstance(ends, list) else [ends])
        return label_answers.to_its_end(
            label_answers.behind(prompt, whole), stops, self.template.tokenizer.eos_token_id
        )

    def generate(self, encoded: Sequence[dict[str, Any]], seed: int) -> list[loop.Answer]:
        """What swift's engine answers to a batch; see `LocalAnswerer.generate`."""
        import torch

        torch.manual_seed(seed)
        said = self.engine._infer(list(encoded), self.decoding, pre_infer_hook=without_grid_positions)
        choices = [response.choices[0] for response in said]
        # swift puts what the prompt ends with before an answer; of a thought its beginning belongs there
        if self.config.get("thinking") != "on":
            over = self.template._get_response_prefix() or ""
            return [(choice.message.content.removeprefix(over), choice.finish_reason) for choice in choices]
        marks = {BEGIN, END, *filter(None, (self.template.template_meta.thinking_prefix.strip(),))}
        return [
            (begun(text, marks) if choice.finish_reason == "length" else text, choice.finish_reason)
            for choice in choices
            for text in (choice.message.content,)
        ]


def main() -> None:
    """Answer the requests of the configuration on the command line."""
    loop.main(SwiftAnswerer)
