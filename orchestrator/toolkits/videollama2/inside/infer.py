"""Answer requests with a VideoLLaMA2 model: its own model classes, its own video code and the conversation of its
training, so that inference sees exactly what training saw. Runs inside the toolkit's environment: ``start.py infer.py
config.json`` (see ``orchestrator/inside/``). With ``merge_into`` in the configuration it writes merged weights
instead.

VideoLLaMA2's ``mm_infer`` is not used: it hard-codes fp16 and CUDA, does not pad frames to squares as training does,
and puts a system message before the question that training lacks. ``generate`` of its models takes one video at a time
(its padding is on the right and its masks are off with any other), so embeddings are padded here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.inside import loop
from orchestrator.inside.answerer import LocalAnswerer, decoding, own_ends
from orchestrator.inside.label_answers import behind, to_its_end
from orchestrator.toolkits.videollama2.inside.model import Model
from orchestrator.toolkits.videollama2.inside.utterance import neutralise

VIDEO = "<video>"
ASPECT_RATIO = "pad"  # as in training


def user_turn(prompt: str, video: bool) -> str:
    """What the user says: train.preprocess_multimodal puts the video first and strips the rest."""
    prompt = neutralise(prompt)
    return f"{VIDEO}\n{prompt.strip()}".strip() if video else prompt


class Encoded:
    """One request ready for the model: token ids (the video is one negative id) and frames (T, 3, H, W) or None."""

    def __init__(self, ids: list[int], frames: Any) -> None:
        self.ids = ids
        self.frames = frames


class VideoLlama2Answerer(LocalAnswerer):
    """A model that answers; see `loop.Answerer`."""

    reads_embeddings = True  # it looks for pictures among ids

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        loaded = Model(config)
        self.model, self.tokenizer, self.processor = loaded.model, loaded.tokenizer, loaded.processor
        end = self.tokenizer.eos_token_id
        self.stops = own_ends(self.model) | {end}
        self.model.generation_config = decoding(self.config, self.stops, end)

    def length(self, request: loop.Request) -> int:
        """Bytes of the prompt: close enough to tokens to batch by; every video has the same number of tokens."""
        return super().length(request) + (10000 if request.get("video") else 0)

    def encode(self, request: loop.Request) -> Encoded:
        """Token ids and frames as in training; raises what is wrong with this request."""
        from videollama2.mm_utils import process_video, tokenizer_multimodal_token

        video, system = request.get("video"), request.get("system")
        if video and not Path(video).is_file():
            raise FileNotFoundError(f"no video {video}")
        messages = [{"role": "user", "content": user_turn(request["prompt"], bool(video))}]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:
            if system is None:
                raise
            raise ValueError(f"this model's chat template takes no system message ({error})") from error
        ids = tokenizer_multimodal_token(text, self.tokenizer, VIDEO if video else None)
        limit = self.config.get("max_length")
        if limit and len(ids) > limit:
            raise ValueError(f"the prompt is {len(ids)} tokens long, over max_length {limit}; it is not cut silently")
        frames = None
        if video:
            count = int(self.config["frames"])
            frames = process_video(video, self.processor, aspect_ratio=ASPECT_RATIO, num_frames=count)
        return Encoded(ids, frames)

    def answer_ids(self, text: str) -> list[int]:
        """See `LocalAnswerer.answer_ids`."""
        from videollama2.mm_utils import tokenizer_multimodal_token

        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]
        prompt, whole = (
            tokenizer_multimodal_token(
                self.tokenizer.apply_chat_template(some, tokenize=False, add_generation_prompt=open_end),
                self.tokenizer,
                None,
            )
            for some, open_end in ((turns[:1], True), (turns, False))
        )
        return to_its_end(behind(prompt, whole), self.stops, self.tokenizer.eos_token_id)

    def _embed(self, encoded: Sequence[Encoded]) -> list[Any]:
        """Per request its embeddings (tokens, hidden size), a video's features in the place of its token."""
        import torch

        device, dtype = self.model.device, self.model.dtype
        clips = [(one.frames.to(device=device, dtype=dtype), "video") for one in encoded if one.frames is not None]
        features = iter(self.model.encode_images_or_videos(clips) if clips else ())
        embed, rows = self.model.get_model().embed_tokens, []
        for one in encoded:
            if one.frames is None:
                rows.append(embed(torch.tensor(one.ids, device=device)))
                continue
            place = next(at for at, token in enumerate(one.ids) if token < 0)
            before, after = (
                torch.tensor(ids, device=device, dtype=torch.long) for ids in (one.ids[:place], one.ids[place + 1 :])
            )
            rows.append(torch.cat([embed(before), next(features), embed(after)]))
        return rows

    def generate(self, encoded: Sequence[Encoded], seed: int) -> list[loop.Answer]:
        """See `LocalAnswerer.generate`."""
        import torch
        from transformers import GenerationMixin

        with torch.inference_mode():
            rows = self._embed(encoded)
            width = max(len(row) for row in rows)
            inputs = rows[0].new_zeros(len(rows), width, rows[0].shape[1])
            mask = torch.zeros(len(rows), width, dtype=torch.long, device=inputs.device)
            for number, row in enumerate(rows):  # padded on the left: what is generated follows the prompt
                inputs[number, width - len(row) :] = row
                mask[number, width - len(row) :] = 1
            torch.manual_seed(seed)
            # their own generate() refuses embeddings
            output = GenerationMixin.generate(self.model, inputs_embeds=inputs, attention_mask=mask).tolist()
        texts = self.tokenizer.batch_decode(output, skip_special_tokens=True)
        return [
            (text.strip(), "stop" if self.stops & set(tokens) else "length")
            for text, tokens in zip(texts, output, strict=True)
        ]


def main() -> None:
    """Answer, or merge where the configuration says so."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")) if len(sys.argv) == 2 else {}
    if config.get("merge_into"):
        Model(config).merge_into(config["merge_into"])
    else:
        loop.main(VideoLlama2Answerer)
