"""What the runners of local models share: requests are made ready one by one, clips ahead in threads, and answered
together. As ``loop.py`` it imports nothing at its start but the standard library.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Optional

from orchestrator.inside import label_answers, label_scores, loop, reading
from orchestrator.inside.clock import ENCODE, WAIT, Clock

PRECISIONS = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def own_ends(model: Any) -> set[int]:
    """The tokens that end an answer, as the model's own generation settings name them."""
    own = model.generation_config.eos_token_id
    return set(own if isinstance(own, list) else [] if own is None else [own])


def decoding(config: dict[str, Any], stops: set[int], pad: int) -> Any:
    """A GenerationConfig as the recipe says and nothing else: a model's own (sampling, penalties) is dropped."""
    from transformers import GenerationConfig

    sampling: dict[str, Any] = {"do_sample": False}
    if config["temperature"] > 0:
        sampling = {"do_sample": True, "temperature": config["temperature"], "top_p": config["top_p"], "top_k": 0}
    return GenerationConfig(
        max_new_tokens=int(config["max_new_tokens"]), eos_token_id=sorted(stops), pad_token_id=pad, **sampling
    )


def clip_of(request: loop.Request) -> Optional[str]:
    """The clip that a request shows, or has heard; ``None`` where it is text alone."""
    return request.get("video") or request.get("audio")


class LocalAnswerer:
    """A loaded model; see `loop.Answerer`. A toolkit adds `encode`, `generate` and, for labels, `answer_ids`.

    Attributes:
        model: the one whose `generate` answers, and whose forward may be called with what it left in its cache.
        stops: the tokens that end an answer.
        reads_embeddings: whether the model's forward does other things with token ids than read them.
    """

    model: Any
    stops: set[int]
    reads_embeddings = False

    def __init__(self, config: dict[str, Any]) -> None:
        # where labels are scored prompts are only read, for which one token is generated
        self.config = config | {"max_new_tokens": 1} if config.get("labels") else config
        self._labels: dict[str, label_answers.LabelAnswers] = {}
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        if config["device"] == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # this and the next before torch is imported
            # OpenMP threads that spin while they wait slow small models tenfold when a core is busy
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._coming: dict[str, Future[Any]] = {}
        self.clock = Clock()
        # those of this batch and of the next
        reading.remember(2 * max(int(config.get("batch_size", 0)), 8))

    def spent(self) -> dict[str, float]:
        """Seconds since this was asked last, see `clock`."""
        return self.clock.taken()

    def encode(self, request: loop.Request) -> Any:
        """One request ready for the model, with its clip decoded; raises what is wrong with this request."""
        raise NotImplementedError

    def generate(self, encoded: Sequence[Any], seed: int) -> list[loop.Answer]:
        """One answer to each, in order. ``seed`` is for sampling."""
        raise NotImplementedError

    def answer_ids(self, text: str) -> list[int]:
        """The tokens that training makes of an answer, with the one that ends it."""
        raise NotImplementedError

    def score_labels(self, requests: Sequence[loop.Request], encoded: Sequence[Any]) -> list[loop.Answer]:
        """Of the labels of each request's task the most probable one, see `label_answers`."""
        import torch

        those = [self._labels[request["task"]] for request in requests]
        with torch.inference_mode():
            with label_scores.reading(self.model) as read:
                self.generate(encoded, 0)
            rows = label_scores.rows_of(self.model, read)
            embed = self.model.get_input_embeddings() if self.reads_embeddings else None
            found = label_scores.log_probabilities(self.model, rows, [one.tree for one in those], embed)
        score = self.config.get("label_score", "sum")
        return [one.chosen(sums, score) for one, sums in zip(those, found, strict=True)]

    def length(self, request: loop.Request) -> int:
        """Bytes of the prompt: close enough to tokens to batch by, and known without opening a video."""
        return len(request["prompt"].encode("utf-8", "replace"))

    def prefetch(self, batch: Sequence[loop.Request]) -> None:
        """Decode the next batch's clips while the model answers this one."""
        if self.config.get("labels") and not self._labels:
            # before other threads encode: a template may have to be switched to training for it
            self._labels = label_answers.label_answers(self.config, self.answer_ids)
        for request in batch:
            if clip_of(request) and request["id"] not in self._coming:
                self._coming[request["id"]] = self._pool.submit(self._timed, request)

    def _timed(self, request: loop.Request) -> tuple[Any, float]:
        begun = time.perf_counter()
        return self.encode(request), time.perf_counter() - begun

    def answer(self, batch: Sequence[loop.Request]) -> Sequence[loop.Answer]:
        """One answer or exception per request; a request that cannot be encoded does not hold back the others."""
        self.prefetch(batch)
        ready: dict[int, Any] = {}
        answers: list[loop.Answer] = []
        for place, request in enumerate(batch):
            begun = time.perf_counter()
            try:
                coming = self._coming.pop(request["id"], None)
                ready[place], seconds = coming.result() if coming else self._timed(request)
                self.clock.add(ENCODE, seconds)
                answers.append(("", "length"))
            except Exception as error:
                if loop.is_out_of_memory(error):
                    raise
                answers.append(error)
            self.clock.add(WAIT, time.perf_counter() - begun)
        if ready:
            self.clock.generation_begins()
        if ready and self._labels:
            for place, answer in zip(
                ready, self.score_labels([batch[at] for at in ready], list(ready.values())), strict=True
            ):
                answers[place] = answer
        elif ready:
            # by batch, not by position in the run: a resumed run draws the same; 32 bits, torch takes no more on CPU
            seed = zlib.crc32("\n".join([str(self.config["seed"]), *(request["id"] for request in batch)]).encode())
            for place, answer in zip(ready, self.generate(list(ready.values()), seed), strict=True):
                answers[place] = answer
        return answers
