"""Answer requests with a LLaVA-NeXT model: its own model class, image processor and video code, and the conversation
as its training renders it, so that inference sees exactly what training saw. Runs inside the toolkit's environment:
``start.py infer.py config.json`` (see ``orchestrator/inside/``). With ``merge_into`` in the configuration it writes the
merged weights to that folder instead.

LLaVA-NeXT's own ``load_pretrained_model`` is not used: it finds the class by words in the name, cannot load a LoRA of
a Qwen model, knows no fp32 and needs a GPU for some device maps. What it does for a Qwen model is done here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orchestrator.inside import loop
from orchestrator.inside.answerer import PRECISIONS, LocalAnswerer, decoding, own_ends
from orchestrator.inside.label_answers import behind, to_its_end
from orchestrator.toolkits.llava_next.inside import model as shared

PROJECTOR = "non_lora_trainables.bin"
IMAGE = -200  # llava.constants.IMAGE_TOKEN_INDEX: where the model puts the frames


class Encoded:
    """One request ready for the model: token ids and the frames as a float32 tensor (frames, 3, 384, 384), or None."""

    def __init__(self, ids: list[int], frames: Any) -> None:
        self.ids = ids
        self.frames = frames


class LlavaNextAnswerer(LocalAnswerer):
    """A model with its adapter; see `loop.Answerer`."""

    reads_embeddings = True  # it looks for pictures among ids

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._load()

    def _load(self) -> None:
        tower = self.config.get("parts", {}).get("vision_tower")
        folder, settings = shared.find_model(self.config["model"], self.config.get("revision"), tower)
        import torch
        from llava.model.language_model.llava_qwen import LlavaQwenConfig, LlavaQwenForCausalLM
        from transformers import AutoTokenizer

        config, cuda = self.config, self.config["device"] == "cuda"
        if cuda and not torch.cuda.is_available():
            raise SystemExit("device is cuda, but this machine offers no usable GPU to torch")
        shared.use_tower(settings)
        several = cuda and torch.cuda.device_count() > 1
        # a tower that is cut in two adds tensors of different devices
        LlavaQwenForCausalLM._no_split_modules = ["Qwen2DecoderLayer", "SigLipVisionModel"]
        dtype = getattr(torch, PRECISIONS[config["precision"]])
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model: Any
        self.model, loading = LlavaQwenForCausalLM.from_pretrained(
            folder,
            config=LlavaQwenConfig.from_dict(shared.SETTINGS | settings | {"model_type": "llava_qwen"}),
            torch_dtype=dtype,
            attn_implementation=config.get("attention", "sdpa"),
            device_map="auto" if several else {"": 0} if cuda else None,
            output_loading_info=True,
        )
        placed = set(map(str, (getattr(self.model, "hf_device_map", None) or {}).values()))
        if several and placed & {"cpu", "disk"}:
            raise SystemExit(
                f"the model does not fit into the memory of {torch.cuda.device_count()} GPUs; give it more"
            )
        self._complete(set(loading["missing_keys"]))
        self.processor = self.model.get_vision_tower().image_processor
        if config.get("adapter"):
            self._add_adapter(config["adapter"])
        for weight in self.model.parameters():  # parameters only: buffers such as rotary frequencies stay in fp32
            if weight.is_floating_point() and weight.dtype != dtype:
                weight.data = weight.data.to(dtype)
        self.model.eval()
        self.model.config.tokenizer_padding_side = "left"
        ends = {self.tokenizer.eos_token_id, self.tokenizer.convert_tokens_to_ids("<|im_end|>")}
        self.stops, self.pad = own_ends(self.model) | ends, self.tokenizer.pad_token_id or 0
        self.model.generation_config = decoding(config, self.stops, self.pad)

    def _complete(self, missing: set[str]) -> None:
        """Load the vision tower where the checkpoint has none of its weights; those that miss others are refused."""
        from llava.model import llava_arch

        tower = self.model.get_vision_tower()
        of_tower = {name for name in self.model.state_dict() if ".vision_tower." in name}
        if missing not in (set(), of_tower):
            raise SystemExit(
                f"{self.config['model']} lacks {len(missing)} weights of a LLaVA model, e.g. "
                f"{min(missing - of_tower or missing)}; is it complete?"
            )
        if not tower.is_loaded:
            tower.load_model()
            tower.to(next(self.model.get_model().mm_projector.parameters()).device)
        elif missing:
            # what it loaded by itself is lost where the model was made without memory, as for a GPU
            tower.load_state_dict(llava_arch.build_vision_tower(self.model.config).state_dict())

    def _add_adapter(self, adapter: str) -> None:
        """The projector as it was trained, and the adapter beside the base weights, as in training."""
        import torch
        from peft import PeftModel

        weights = torch.load(Path(adapter) / PROJECTOR, map_location="cpu", weights_only=True)
        weights = {name.removeprefix("base_model.model."): weight for name, weight in weights.items()}
        unknown = self.model.load_state_dict(weights, strict=False).unexpected_keys
        if unknown:
            raise SystemExit(f"{adapter}: {PROJECTOR} does not fit the model ({unknown[0]})")
        self.peft = PeftModel.from_pretrained(self.model, adapter)
        # generate() of the base model goes through the adapter's layers: peft puts them into its modules
        self.model = self.peft.get_base_model()

    def merge(self, out: Path) -> None:
        """Write the model with the adapter in its weights, its tokenizer and its original configuration."""
        model = self.peft.merge_and_unload()
        model.config.tokenizer_padding_side = "right"
        model.save_pretrained(out)
        self.tokenizer.save_pretrained(out)

    def length(self, request: loop.Request) -> int:
        """Bytes of the prompt: close enough to tokens to batch by; requests with a video are far longer than others."""
        return super().length(request) + (1 << 20) * bool(request.get("video"))

    def encode(self, request: loop.Request) -> Encoded:
        """Token ids as in training, with one for the place of the frames; raises what is wrong with this request."""
        video, system = request.get("video"), request.get("system")
        frames = self._frames(video) if video else None
        text = shared.TEMPLATE.format(
            system=shared.SYSTEM if system is None else shared.neutralise(system),
            question=shared.question(request["prompt"], bool(video), request.get("media", shared.MEDIA)),
            answer="",
        )
        before, *after = [self.tokenizer(part).input_ids for part in text.split("<image>")]
        ids = [*before, *(token for part in after for token in (IMAGE, *part))]
        size = len(ids)
        if frames is not None:
            size += shared.video_tokens(self.model.config.to_dict(), len(frames)) - 1
        limit = self.config.get("max_length")
        if limit and size > limit:
            raise ValueError(f"the prompt is {size} tokens long, over max_length {limit}; it is not cut silently")
        return Encoded(ids, frames)

    def _frames(self, video: str) -> Any:
        """So many frames, evenly spaced from the first to the last one, as in training with `--force_sample`."""
        from llava.utils import process_video_with_decord

        if not Path(video).is_file():
            raise FileNotFoundError(f"no video {video}")
        options = SimpleNamespace(video_fps=1, frames_upbound=int(self.config["frames"]), force_sample=True)
        try:
            pictures = process_video_with_decord(video, options)[0]
        except Exception as error:
            reason = re.sub(
                r"^\[[\d:]+\] \S+ ", "", " ".join(str(error).split())
            )  # decord's time and place in its source
            raise ValueError(f"{video} cannot be decoded ({reason[:200]})") from None
        return self.processor.preprocess(pictures, return_tensors="pt")["pixel_values"]

    def answer_ids(self, text: str) -> list[int]:
        """See `LocalAnswerer.answer_ids`."""
        before = "<|im_start|>assistant\n"
        prompt, whole = (self.tokenizer(part).input_ids for part in (before, f"{before}{text}<|im_end|>"))
        return to_its_end(behind(prompt, whole), self.stops, self.tokenizer.eos_token_id)

    def generate(self, encoded: Sequence[Encoded], seed: int) -> list[loop.Answer]:
        """See `LocalAnswerer.generate`."""
        import torch

        device, width = self.model.device, max(len(one.ids) for one in encoded)
        ids = torch.full((len(encoded), width), self.pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(encoded):  # padded on the left: what is generated follows the prompt
            ids[row, width - len(one.ids) :] = torch.tensor(one.ids)
            mask[row, width - len(one.ids) :] = 1
        images: dict[str, Any] = {}
        if any(one.frames is not None for one in encoded):
            # the model expects a picture with every row and uses none of a row without a place for it, as in training
            frames = [torch.zeros(1, 3, 384, 384) if one.frames is None else one.frames for one in encoded]
            kinds = ["text" if one.frames is None else "video" for one in encoded]
            images = {"images": [one.to(device, self.model.dtype) for one in frames], "modalities": kinds}
        torch.manual_seed(seed)
        with torch.inference_mode():
            output = self.model.generate(ids.to(device), attention_mask=mask.to(device), **images).tolist()
        texts = self.tokenizer.batch_decode(output, skip_special_tokens=True)
        return [
            (text, "stop" if self.stops & set(tokens) else "length") for text, tokens in zip(texts, output, strict=True)
        ]


def main() -> None:
    """Answer the requests, or merge."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")) if len(sys.argv) == 2 else {}
    if "merge_into" in config:
        LlavaNextAnswerer(config).merge(Path(config["merge_into"]))
    else:
        loop.main(LlavaNextAnswerer)
