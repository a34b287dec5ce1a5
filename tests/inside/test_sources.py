"""Which files count for a stage's key, and what all runners do alike."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from orchestrator.runners.utterance import RESERVED, neutraliser
from orchestrator.toolkits._common import RUNNERS, sources_of

from orchestrator import toolkits
from orchestrator.environments.environment import toolkit_names

FILES = sorted(path.stem for path in RUNNERS.glob("*.py") if path.stem != "__init__")


def imported(path: Path) -> set[str]:
    """The other runner files that a file imports when it is run, as the interpreter sees it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    todo, names = list(tree.body), set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If):
            todo += [*node.body, *node.orelse]
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names & set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_whatever_a_runner_imports_is_a_source(name: str) -> None:
    found = sources_of(name)
    assert found[0] == RUNNERS / f"{name}.py"
    for path in found:
        assert imported(path) <= {source.stem for source in found}


def test_a_training_is_not_done_again_for_what_only_inference_uses() -> None:
    found = {
        (name, kind): {path.stem for path in toolkits.get(name).runner_sources(kind)}
        for name in toolkit_names()
        for kind in ("train", "infer")
    }
    assert found["videollama2", "train"] == {"videollama2_train", "trainer_hooks", "hub_pins"}
    assert "videollama2_model" in found["videollama2", "infer"]
    assert "trainer_hooks" in found["llava_next", "train"] - found["llava_next", "infer"]
    assert found["swift", "train"] == {"swift_plugin", "trainer_hooks"}
    assert {"swift", "swift_plugin", "loop", "answerer"} <= found["swift", "infer"]
    assert found["openai_api", "infer"] == {"openai_api", "openai_api_frames", "loop"}
    assert all("loop" in files for (_, kind), files in found.items() if kind == "infer")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_utterances_are_made_harmless_alike(name: str) -> None:
    runner = importlib.import_module(f"orchestrator.runners.{'llava_next_model' if name == 'llava_next' else name}")
    expected = {
        "llamafactory": "< video> < image> <b> <video < |im_end|> < /s> <unk> </slice>",
        "llava_next": "<video> < image> <b> <video < |im_end|> </s> <unk> </slice>",
        "swift": "< video> < image> < b> <video < |im_end|> < /s> < unk> < /slice>",
        "videollama2": "< video> < image> <b> <video < |im_end|> < /s> < unk> </slice>",
    }
    text = "<video> <image> <b> <video <|im_end|> </s> <unk> </slice>"
    assert neutraliser(name)(text) == runner.neutralise(text) == expected[name]
