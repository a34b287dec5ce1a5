"""Answer requests with a LLaMA-Factory model: its own loader, its own chat template, its own video code, so that
inference sees exactly what training saw. Runs inside the toolkit's environment: ``start.py infer.py
config.json`` (see ``orchestrator/inside/``). A batch is made by its collator of training, see ``batch.py``: what its
chat engine passes leaves out what the newer families need.

Its loader keeps the checkpoint's own precision, whatever ``infer_dtype`` says, and would merge an adapter in memory:
here the adapter stays beside the base weights, as in training.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from orchestrator.inside.answerer import PRECISIONS, LocalAnswerer, decoding, own_ends
from orchestrator.inside.label_answers import to_its_end
from orchestrator.inside.thoughts import Thoughts
from orchestrator.toolkits.llamafactory.inside import audio
from orchestrator.toolkits.llamafactory.inside.batch import Encoded, collate
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise

# any clip is sampled at this rate at least, so that the number of frames alone decides
# (mm_plugin._get_video_sample_indices)
VIDEO_FPS = 100.0
PLACEHOLDERS = {"video": "<video>", "audio": "<audio>"}  # the sound of a video stands behind it


class LlamaFactoryAnswerer(LocalAnswerer):
    """A model with its template; see `loop.Answerer`."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        if Path(config["model"]).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a local model needs nothing from the hub
        self._load()

    def _load(self) -> None:
        import torch
        from llamafactory.data import get_template_and_fix_tokenizer
        from llamafactory.hparams import get_infer_args
        from llamafactory.model import load_model, load_tokenizer

        config = self.config
        if config["device"] == "cuda" and not torch.cuda.is_available():
            raise SystemExit("device is cuda, but this machine offers no usable GPU to torch")
        arguments = {
            "model_name_or_path": config["model"],
            "model_revision": config.get("revision") or "main",
            "template": config["template"],
            "finetuning_type": config["finetuning"],
            "trust_remote_code": bool(config.get("trust_remote_code")),
            "infer_dtype": PRECISIONS[config["precision"]],
            "flash_attn": config.get("attention", "auto"),
            "video_fps": VIDEO_FPS,
            "video_maxlen": int(config["frames"]),
            "video_max_pixels": int(config["max_pixels"]),
            "enable_thinking": config.get("thinking") == "on",
            "use_audio_in_video": bool(config.get("use_audio_in_video")),
        }
        audio.install()
        model_args, data_args, finetuning_args, _ = get_infer_args(arguments)
        several = config["device"] == "cuda" and torch.cuda.device_count() > 1
        model_args.device_map = (
            "auto" if several else {"": torch.device("cuda", 0) if torch.cuda.is_available() else "cpu"}
        )
        tools = load_tokenizer(model_args)
        self.tokenizer, self.processor = tools["tokenizer"], tools["processor"]
        self.template = get_template_and_fix_tokenizer(self.tokenizer, data_args)
        self.tokenizer.padding_side = "left"  # what is generated follows the prompt
        self.model = load_model(self.tokenizer, model_args, finetuning_args, is_trainable=False)
        placed = set(map(str, (getattr(self.model, "hf_device_map", None) or {}).values()))
        if several and placed & {"cpu", "disk"}:
            raise SystemExit(
                f"the model does not fit into the memory of {torch.cuda.device_count()} GPUs; give it more"
            )
        if config.get("adapter"):
            from peft import PeftModel

            # generate() of the base model goes through the adapter's layers: peft puts them into its modules
            self.model = PeftModel.from_pretrained(self.model, config["adapter"]).get_base_model()
        dtype = getattr(torch, PRECISIONS[config["precision"]])
        for weight in self.model.parameters():  # parameters only: buffers such as rotary frequencies stay in fp32
            if weight.is_floating_point() and weight.dtype != dtype:
                weight.data = weight.data.to(dtype)
        words = self.template.thought_words if config.get("thinking") == "on" else None
        self.thoughts = Thoughts(self.tokenizer, words)
        self.model.eval()
        self.clock.watch(self.model)
        self.stops = own_ends(self.model) | set(self.template.get_stop_token_ids(self.tokenizer))
        self.model.generation_config = decoding(config, self.stops, self.tokenizer.pad_token_id)

    def encode(self, request: loop.Request) -> Encoded:
        """Token ids as in training, with its clip expanded to its tokens; raises what is wrong with this request."""
        plugin = self.template.mm_plugin
        videos, audios = ([request[name]] if request.get(name) else [] for name in PLACEHOLDERS)
        for clip in (*videos, *audios):
            if not Path(clip).is_file():
                raise FileNotFoundError(f"no video {clip}")
        media = "".join(mark for name, mark in PLACEHOLDERS.items() if request.get(name))
        message = {"role": "user", "content": media + neutralise(request["prompt"])}
        messages = plugin.process_messages([message], [], videos, audios, self.processor)
        before = [
            {"role": role, "content": neutralise(text)}
            for turn in request.get("history") or ()
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        turns = [*before, *messages, {"role": "assistant", "content": ""}]
        ids, _ = self.template.encode_oneturn(self.tokenizer, turns, request.get("system"))
        ids, _ = plugin.process_token_ids(ids, None, [], videos, audios, self.tokenizer, self.processor)
        limit = self.config.get("max_length")
        if limit and len(ids) > limit:
            raise ValueError(f"the prompt is {len(ids)} tokens long, over max_length {limit}; it is not cut silently")
        counts = [0], [len(videos)], [len(audios)]
        made = dict(plugin.get_mm_inputs([], videos, audios, *counts, [ids], self.processor))
        if videos:
            self._check_video(request["video"], ids, made)
        return Encoded(ids, made)

    def _check_video(self, video: str, ids: list[int], media: dict[str, Any]) -> None:
        """The tokens were counted from the file's header, the frames come from decoding it: a damaged file differs."""
        token = getattr(self.template.mm_plugin, "video_token", None)
        if "video_grid_thw" not in media or token is None:
            return
        merge = self.processor.image_processor.merge_size**2
        expected, found = (
            int(media["video_grid_thw"].prod()) // merge,
            ids.count(self.tokenizer.convert_tokens_to_ids(token)),
        )
        if expected != found:
            raise ValueError(
                f"{video}: its header announces more frames than can be decoded ({expected} of {found} tokens)"
            )

    def answer_ids(self, text: str) -> list[int]:
        """See `LocalAnswerer.answer_ids`."""
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]
        _, ids = self.template.encode_oneturn(self.tokenizer, turns)
        return to_its_end(ids, self.stops, self.tokenizer.eos_token_id)

    def generate(self, encoded: Sequence[Encoded], seed: int) -> list[loop.Answer]:
        """See `LocalAnswerer.generate`."""
        import torch

        made = self.batch(encoded)
        width = made["input_ids"].shape[1]
        inputs = {
            name: value.to(self.model.device) if torch.is_tensor(value) else value for name, value in made.items()
        }
        torch.manual_seed(seed)
        with torch.inference_mode():
            output = self.model.generate(**inputs)[:, width:].tolist()
        texts = zip(self.thoughts.texts(output), output, strict=True)
        return [
            (text, "stop") if self.stops & set(tokens) else (self.thoughts.begun(text), "length")
            for text, tokens in texts
        ]

    def batch(self, encoded: Sequence[Encoded]) -> dict[str, Any]:
        """What the model is asked with: prompts padded on the left, and what their videos were made to."""
        return collate(encoded, self.model, {"tokenizer": self.tokenizer, "processor": self.processor})


def main() -> None:
    """Answer the requests of the configuration on the command line."""
    loop.main(LlamaFactoryAnswerer)
