"""Answer requests with a LLaMA-Factory model: its own loader, its own chat template, its own video code, so that
inference sees exactly what training saw. Runs inside the toolkit's environment: ``start.py infer.py
config.json`` (see ``orchestrator/inside/``).

Two things LLaMA-Factory 0.9.5 does not do by itself are done here. Its loader keeps the checkpoint's own precision,
whatever ``infer_dtype`` says, and would merge an adapter in memory: here the adapter stays beside the base weights,
as in training. Its chat engine passes no ``mm_token_type_ids``, without which transformers 5 places video tokens as
if they were text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from orchestrator.inside.answerer import PRECISIONS, LocalAnswerer, decoding, own_ends
from orchestrator.inside.label_answers import to_its_end
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise

# any clip is sampled at this rate at least, so that the number of frames alone decides
# (mm_plugin._get_video_sample_indices)
VIDEO_FPS = 100.0
VIDEO_PLACEHOLDER = "<video>"


class Encoded:
    """One request ready for the model: token ids and, for a video, the tensors of the processor."""

    def __init__(self, ids: list[int], media: dict[str, Any]) -> None:
        self.ids = ids
        self.media = media


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
        }
        model_args, data_args, finetuning_args, _ = get_infer_args(arguments)
        several = config["device"] == "cuda" and torch.cuda.device_count() > 1
        model_args.device_map = (
            "auto" if several else {"": torch.device("cuda", 0) if torch.cuda.is_available() else "cpu"}
        )
        tools = load_tokenizer(model_args)
        self.tokenizer, self.processor = tools["tokenizer"], tools["processor"]
        self.template = get_template_and_fix_tokenizer(self.tokenizer, data_args)
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
        self.model.eval()
        self.stops = own_ends(self.model) | set(self.template.get_stop_token_ids(self.tokenizer))
        self.model.generation_config = decoding(config, self.stops, self.tokenizer.pad_token_id)

    def encode(self, request: loop.Request) -> Encoded:
        """Token ids as in training, with the video expanded to its tokens; raises what is wrong with this request."""
        plugin, videos = self.template.mm_plugin, [request["video"]] if request.get("video") else []
        if videos and not Path(videos[0]).is_file():
            raise FileNotFoundError(f"no video {videos[0]}")
        message = {"role": "user", "content": VIDEO_PLACEHOLDER * len(videos) + neutralise(request["prompt"])}
        messages = plugin.process_messages([message], [], videos, [], self.processor)
        before = [
            {"role": role, "content": neutralise(text)}
            for turn in request.get("history") or ()
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        turns = [*before, *messages, {"role": "assistant", "content": ""}]
        ids, _ = self.template.encode_oneturn(self.tokenizer, turns, request.get("system"))
        ids, _ = plugin.process_token_ids(ids, None, [], videos, [], self.tokenizer, self.processor)
        limit = self.config.get("max_length")
        if limit and len(ids) > limit:
            raise ValueError(f"the prompt is {len(ids)} tokens long, over max_length {limit}; it is not cut silently")
        media: dict[str, Any] = {}
        if videos:
            media = dict(plugin.get_mm_inputs([], videos, [], [0], [1], [0], [ids], self.processor))
            self._check_video(request["video"], ids, media)
        return Encoded(ids, media)

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

        device, pad = self.model.device, self.tokenizer.pad_token_id
        width = max(len(one.ids) for one in encoded)
        ids = torch.full((len(encoded), width), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(encoded):  # padded on the left: what is generated follows the prompt
            ids[row, width - len(one.ids) :] = torch.tensor(one.ids)
            mask[row, width - len(one.ids) :] = 1
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, **self._media(encoded)}
        if "video_grid_thw" in inputs:
            inputs["mm_token_type_ids"] = self._token_types(ids)
        inputs = {name: value.to(device) if torch.is_tensor(value) else value for name, value in inputs.items()}
        torch.manual_seed(seed)
        with torch.inference_mode():
            output = self.model.generate(**inputs)[:, width:].tolist()
        texts = self.tokenizer.batch_decode(output, skip_special_tokens=True)
        return [
            (text, "stop" if self.stops & set(tokens) else "length") for text, tokens in zip(texts, output, strict=True)
        ]

    def _media(self, encoded: Sequence[Encoded]) -> dict[str, Any]:
        """The video tensors of a batch, one request's after the other's; pixels in the model's precision."""
        import torch

        media: dict[str, Any] = {}
        for name in sorted({name for one in encoded for name in one.media}):
            parts = [one.media[name] for one in encoded if name in one.media]
            if torch.is_tensor(parts[0]):
                joined = torch.cat(parts)
                media[name] = joined.to(self.model.dtype) if joined.is_floating_point() else joined
            else:
                media[name] = [item for part in parts for item in part]
        return media

    def _token_types(self, ids: Any) -> Any:
        """0 text, 1 image, 2 video, as LLaMA-Factory's collator marks them in training."""
        types = (ids * 0).int()
        for kind, name in ((1, "image_token_id"), (2, "video_token_id")):
            token = getattr(self.model.config, name, None)
            if token is not None:
                types[ids == token] = kind
        return types


def main() -> None:
    """Answer the requests of the configuration on the command line."""
    loop.main(LlamaFactoryAnswerer)
