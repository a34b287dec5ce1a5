"""What a runner's time went into."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.inside import loop
from orchestrator.inside.answerer import LocalAnswerer
from orchestrator.inside.clock import Clock, in_words, output_layer
from tests.inside.test_loop import config, lines
from tests.running import wait_until


class Layer:
    """A layer that can be watched."""

    def __init__(self) -> None:
        self.hooks: list[Callable[..., None]] = []

    def register_forward_hook(self, hook: Callable[..., None]) -> None:
        self.hooks.append(hook)

    def work(self) -> None:
        for hook in self.hooks:
            hook(self, (), None)


class Model:
    """Two layers; the first by the name that most models have."""

    def __init__(self, layer: Layer | None = None) -> None:
        self.layer = layer

    def get_output_embeddings(self) -> Layer | None:
        return self.layer


class Slow(LocalAnswerer):
    """Takes its time: 0.05 s for a request to be encoded, 0.03 s for its question, 0.02 s for its answer."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.layer = Layer()
        self.clock.watch(Model(self.layer))

    def encode(self, request: loop.Request) -> Any:
        time.sleep(0.05)
        return request

    def generate(self, encoded: Sequence[Any], seed: int) -> list[loop.Answer]:
        time.sleep(0.03)
        self.layer.work()
        time.sleep(0.02)
        self.layer.work()
        return [("yes", "stop") for _ in encoded]


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr("orchestrator.inside.reading._recall", None)


@pytest.fixture
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by sleeping alone."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    for name in ("perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)


@pytest.mark.usefixtures("_exact")
def test_each_answer_says_what_its_time_went_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(tmp_path, [1] * 4, size=2, device="cuda", seed=1)
    assert loop.run(settings, lambda: Slow(settings)) == 0
    for line in lines(tmp_path):
        spent = line["spent"]
        assert spent["encode"] == pytest.approx(0.05)
        assert spent["wait"] == pytest.approx(0.05), "nothing without a clip is encoded ahead"
        assert spent["prefill"] == pytest.approx(0.015)
        assert line["seconds"] == pytest.approx(0.075)
    assert "0.2 waiting for clips and texts, 0.1 prefill" in capsys.readouterr().out


class Watching(Slow):
    """Answers when the clips of the next batch are there."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.encoded, self.answered = 0, 0

    def encode(self, request: loop.Request) -> Any:
        self.encoded += 1
        return request

    def generate(self, encoded: Sequence[Any], seed: int) -> list[loop.Answer]:
        self.answered += len(encoded)
        wait_until(lambda: self.encoded >= min(8, self.answered + len(encoded)))
        return super().generate(encoded, seed)


def test_clips_are_decoded_while_the_model_answers(tmp_path: Path) -> None:
    settings = config(tmp_path, [1] * 8, size=2, device="cuda", seed=1)
    file = Path(settings["requests"])
    asked = [json.loads(line) | {"video": f"{at}.mp4"} for at, line in enumerate(file.read_text().splitlines())]
    file.write_text("".join(json.dumps(one) + "\n" for one in asked))
    assert loop.run(settings, lambda: Watching(settings)) == 0
    assert [line["text"] for line in lines(tmp_path)] == ["yes"] * 8


def test_a_model_whose_layer_is_not_found_has_no_prefill() -> None:
    clock = Clock()
    clock.watch(Model())
    clock.generation_begins()
    assert clock.taken() == {}


def test_what_was_taken_is_not_counted_again() -> None:
    clock = Clock()
    clock.add("wait", 1.0)
    clock.add("wait", 0.5)
    assert (clock.taken(), clock.taken()) == ({"wait": 1.5}, {})


def test_the_layer_by_its_name() -> None:
    head = Layer()
    named = [("", object()), ("llm.model.embed", object()), ("llm.lm_head", head)]
    model = SimpleNamespace(named_modules=lambda: named)
    assert output_layer(model) is head
    assert output_layer(SimpleNamespace()) is None


def test_the_layer_beneath_an_adapter() -> None:
    head = Layer()
    adapted = SimpleNamespace(get_base_model=lambda: Model(head))
    assert output_layer(adapted) is head


def test_in_words() -> None:
    spent = {"wait": 0.44, "prefill": 30.1, "encode": 12.0}
    assert in_words(spent, 88.2) == (
        "of 88.2 s: 0.4 waiting for clips and texts, 30.1 prefill, 57.7 generating; encoding took 12.0 s of threads "
        "beside"
    )
    assert in_words({"wait": 1}, 2).startswith("of 2.0 s: 1.0 waiting for clips and texts; encoding took 0.0 s")
