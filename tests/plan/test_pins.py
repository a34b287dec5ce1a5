"""The commit of a hub's model: asked for once, the same for all stages, whatever the hub says later."""

from __future__ import annotations

import json
import sys
import threading
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InputError
from orchestrator.inside import hub_pins
from orchestrator.plan import pins
from orchestrator.plan.commands import command_of
from orchestrator.plan.make import make_plan
from orchestrator.plan.pins import pin, pinned
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from tests import recipes
from tests.shared import RECIPES

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `hub`)")
PARTS = ("mistralai/Mistral-7B-Instruct-v0.2", "DAMO-NLP-SG/VideoLLaMA2-7B-Base", "DAMO-NLP-SG/VideoLLaMA2-7B")
MODEL, OLD, NEW = "Qwen/Qwen2-7B-Instruct", "a" * 40, "b" * 40


class Hub(ThreadingHTTPServer):
    """A hub with one model, as huggingface_hub asks for it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.commits = {"main": OLD}
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked += 1
        head, _, revision = self.path.partition("?")[0].partition("/revision/")
        there = head.removeprefix("/api/models/") in (MODEL, *PARTS)
        commit = self.server.commits.get(revision) if there else None
        body = json.dumps({"id": MODEL, "sha": commit, "siblings": [], "tags": []}).encode()
        self.send_response(200 if commit else 404)
        if not commit:
            code = "RevisionNotFound" if there else "RepoNotFound"
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


def hub_plan(folder: Path, *overrides: str) -> Plan:
    return recipes.plan_of("qwen2_7b_it", "tasks=[MELD]", *overrides, runs=folder / "runs")


def revision_of(plan: Plan) -> str:
    """What the training is told."""
    command = command_of(plan, plan.jobs[0].stage("train"), "cpu")
    assert command is not None
    return next(line for line in command.files["train.yaml"].splitlines() if line.startswith("model_revision"))


def test_one_commit_for_all_stages_and_later_runs(hub: Hub, tmp_path: Path) -> None:
    plan, said = hub_plan(tmp_path), list[str]()
    assert pinned(plan) == plan
    first = pin(plan, said.append)
    assert revision_of(first) == f"model_revision: {OLD}"
    infer = command_of(first, first.jobs[0].stage("infer"), "cpu")
    assert infer is not None
    assert json.loads(infer.files["config.json"])["revision"] == OLD
    hub.commits["main"] = NEW
    assert revision_of(pin(hub_plan(tmp_path), said.append)) == f"model_revision: {OLD}"
    assert revision_of(pinned(hub_plan(tmp_path))) == f"model_revision: {OLD}"
    assert hub.asked == 1
    assert said == []
    assert [stage.key for stage in first.stages] == [stage.key for stage in plan.stages]
    # another revision is another question
    hub.commits["v2"] = NEW
    assert revision_of(pin(hub_plan(tmp_path, "model.revision=v2"), said.append)) == f"model_revision: {NEW}"
    assert revision_of(pin(hub_plan(tmp_path, f"model.revision={NEW}"), said.append)) == f"model_revision: {NEW}"
    assert hub.asked == 2


def test_of_two_processes_that_ask_at_once_both_go_on_with_the_first_one_s_commit(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, others = pins._asked, []

    def asked(*given: Any) -> str | None:
        monkeypatch.setattr(pins, "_asked", really)
        mine = really(*given)
        hub.commits["main"] = NEW
        others.append(pin(hub_plan(tmp_path), print))  # answered later, and kept first
        return mine

    monkeypatch.setattr(pins, "_asked", asked)
    mine = pin(hub_plan(tmp_path), print)
    assert revision_of(mine) == revision_of(others[0]) == f"model_revision: {NEW}"


@pytest.mark.parametrize(
    "odd", ["[]", "not json", f'{{"{MODEL}@main": 7}}', f'{{"{MODEL}@main": "main"}}', f'{{"{MODEL}@main": ["{NEW}"]}}']
)
def test_odd_pins_are_told_and_asked_for_again(hub: Hub, tmp_path: Path, odd: str) -> None:
    plan, said = hub_plan(tmp_path), list[str]()
    file = plan.folder / "pins.json"
    file.parent.mkdir(parents=True)
    file.write_text(odd)
    assert pinned(plan) == plan
    assert revision_of(pin(plan, said.append)) == f"model_revision: {OLD}"
    assert said == [f"{file} is damaged: what it lacks is asked for again, and may be another commit by now"]
    assert json.loads(file.read_text())[f"{MODEL}@main"] == OLD
    pin(plan, said.append)
    assert len(said) == 1


def test_what_the_hub_does_not_have_is_said_before_anything_starts(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no revision `v9`"):
        pin(hub_plan(tmp_path, "model.revision=v9"), print)
    with pytest.raises(InputError, match="the hub has no model nobody/nothing"):
        pin(hub_plan(tmp_path, "model.path=nobody/nothing"), print)


def test_offline_the_cache_knows_or_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    said: list[str] = []
    plan = hub_plan(tmp_path)
    assert pin(plan, said.append) == plan
    assert "cannot be pinned: the hub cannot be reached" in said[0]
    refs = tmp_path / "cache" / "hub" / "models--Qwen--Qwen2-7B-Instruct" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(NEW)
    assert revision_of(pin(plan, said.append)) == f"model_revision: {NEW}"
    assert len(said) == 1


def test_local_models_are_not_asked_about(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "model").mkdir()
    plan = hub_plan(tmp_path, f"model.path={tmp_path / 'model'}")
    assert pin(plan, print) == plan
    assert hub.asked == 0


def test_parts_are_pinned_through_the_environment(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    recipe = load_recipe(
        RECIPES / "videollama2_7b_it.yaml",
        ["tasks=[MELD]", f"model.parts.vision_tower={tmp_path}/clip", f"model.parts.projector={PARTS[1]}/p.bin"],
    )
    plan = make_plan(recipe, tmp_path / "runs")
    first = pin(plan, print)
    assert hub.asked == 3
    expected = f"{PARTS[1]}={OLD},{PARTS[0]}={OLD}"
    for kind in ("train", "infer"):
        command = command_of(first, first.jobs[0].stage(kind), "cpu")
        assert command is not None
        assert command.env["MMLA_HUB_PINS"] == expected
    assert first.recipe.resources.decisive_env == {}
    hub.commits["main"] = NEW
    assert pin(make_plan(recipe, tmp_path / "runs"), print) == first
    assert hub.asked == 3
    zero = load_recipe(RECIPES / "videollama2_7b_zero_shot.yaml", ["tasks=[MELD]", f"model.path={tmp_path}"])
    with pytest.raises(InputError, match="openai/clip"):  # of the parts, the tower alone is loaded
        pin(make_plan(zero, tmp_path / "other"), print)


def test_downloads_without_a_revision_take_the_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    hub = types.SimpleNamespace(hf_hub_download=lambda repo, name, revision=None: asked.append((repo, name, revision)))
    monkeypatch.setitem(sys.modules, "transformers", types.ModuleType("transformers"))
    monkeypatch.setitem(sys.modules, "transformers.utils", types.SimpleNamespace(hub=hub))
    monkeypatch.setenv("MMLA_HUB_PINS", f"a/b={OLD}")
    hub_pins.apply()
    for repository, revision in (("a/b", None), ("a/b", "main"), ("a/b", NEW), ("c/d", None)):
        hub.hf_hub_download(repository, "config.json", revision=revision)
    assert [commit for _, _, commit in asked] == [OLD, OLD, NEW, None]
