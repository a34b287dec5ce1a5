"""Files that a recipe names: a template lies beside it, is shipped, or is named on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.prompts import template
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.trust import KEPT
from tests.shared import ROOT

HEAD = "method: zero_shot\nmodel: tiny_qwen2\ntasks: [demo]\n"
SECRET = "the host's own name {{ text }}"
LEADS_OUT = "leads out of the recipe's folder, and a recipe may name files beside it only"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "theirs" / "sub").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "secret.j2").write_text(SECRET)
    (tmp_path / "mine" / "own.j2").write_text("{{ text }}")
    (tmp_path / "theirs" / "ok.j2").write_text("{{ text }}")
    (tmp_path / "theirs" / "sub" / "text.j2").write_text("{{ text }}")
    (tmp_path / "theirs" / "link.j2").symlink_to(tmp_path / "secret.j2")
    (tmp_path / "theirs" / "out").symlink_to(tmp_path)
    (tmp_path / "theirs" / "text-link-text.j2").symlink_to(tmp_path / "secret.j2")
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path


def recipe(folder: Path, line: str) -> Path:
    file = folder / "theirs" / "r.yaml"
    file.write_text(f"{HEAD}{line}\n")
    return file


@pytest.mark.parametrize("key", ["prompt", "slurm"])
@pytest.mark.parametrize(
    "name",
    [
        "/etc/hostname", "/etc/passwd", "../secret.j2", "sub/../../secret.j2", "{folder}/secret.j2", "link.j2",
        "out/secret.j2", "text-link-{modality}.j2", "/proc/self/environ", "{folder}/{modality}/../secret.j2", "own.j2",
        "./own.j2", "{folder}/mine/own.j2", "/etc/{form}",
    ],
)  # fmt: skip
def test_a_recipe_names_no_file_of_yours(folder: Path, key: str, name: str) -> None:
    if key == "slurm" and "{" in name.replace("{folder}", ""):
        pytest.skip("has no place holders")
    (folder / "text").mkdir(exist_ok=True)
    file = recipe(folder, f"{key}: {{template: '{name.replace('{folder}', str(folder))}'}}")
    with pytest.raises(InputError) as raised:
        load_recipe(file)
    said = str(raised.value)
    assert said.startswith(f"{file}:4:")
    assert f"`{key}.template` {LEADS_OUT}" in said
    assert f"--set {key}.template=FILE" in said
    assert "host's own" not in said


@pytest.mark.parametrize("name", ["ok.j2", "./ok.j2", "sub/{modality}.j2", "sub/../ok.j2", "mmla/{modality}.j2"])
def test_what_lies_beside_it_or_is_shipped_is_right(folder: Path, name: str) -> None:
    found = load_recipe(recipe(folder, f"prompt: {{template: '{name}'}}")).prompt.template
    assert template.load(found.replace("{modality}", "text")).path.is_file()


def test_by_its_whole_path_beside_it(folder: Path) -> None:
    name = f"{folder}/theirs/ok.j2"
    assert load_recipe(recipe(folder, f"prompt: {{template: '{name}'}}")).prompt.template == name
    shipped = f"{ROOT}/prompts/mmla/text.j2"
    assert load_recipe(recipe(folder, f"prompt: {{template: '{shipped}'}}")).prompt.template == shipped


def test_the_command_line_names_any(folder: Path) -> None:
    file = recipe(folder, "")
    for name in (f"{folder}/secret.j2", "own.j2", "../secret.j2"):
        found = load_recipe(file, [f"prompt.template={name}"]).prompt.template
        assert template.load(found).path.is_file()
    stray = recipe(folder, "prompt: {template: /etc/hostname}")
    assert load_recipe(stray, ["prompt.template=own.j2"]).prompt.template == "own.j2"
    assert load_recipe(stray, trust=KEPT).prompt.template == "/etc/hostname"


def test_a_base_names_files_beside_itself_and_not_those_of_who_extends_it_elsewhere(folder: Path) -> None:
    (folder / "theirs" / "base.yaml").write_text("prompt: {template: ok.j2}\n")
    mine = folder / "mine" / "r.yaml"
    mine.write_text(f"extends: ../theirs/base.yaml\n{HEAD}")
    assert load_recipe(mine).prompt.template == f"{folder}/theirs/ok.j2"
    (folder / "theirs" / "base.yaml").write_text("prompt: {template: ../secret.j2}\n")
    with pytest.raises(InputError, match=LEADS_OUT):
        load_recipe(mine)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{% include '../secret.j2' %}}", "which is not beside it"),
        ("{{% include '/etc/hostname' %}}", "which is not beside it"),
        ("{{% include '{folder}/secret.j2' %}}", "which is not beside it"),
        ("{{% include 'link.j2' %}}", "is a link to a file of another folder"),
        ("{{% import 'link.j2' as x %}}", "is a link to a file of another folder"),
        ("{{% from 'out/secret.j2' import x %}}", "is a link to a file of another folder"),
        ("{{% extends 'out/secret.j2' %}}", "is a link to a file of another folder"),
        ("{{% include 'link' + '.j2' %}}", "whose name is computed"),
        ("{{% include ['nothing.j2', 'link.j2'] %}}", "link"),
    ],
)
def test_a_template_reads_no_file_of_yours(folder: Path, text: str, said: str) -> None:
    path = folder / "theirs" / "ok.j2"
    path.write_text(text.format(folder=folder) + "{{ text }}")
    with pytest.raises(InputError, match=said) as raised:
        template.load(str(path))
    assert "host's own" not in str(raised.value)


def test_a_link_is_refused_where_it_is_loaded_too(folder: Path) -> None:
    with pytest.raises(InputError, match="is a link to a file of another folder") as raised:
        template.load(str(folder / "theirs" / "link.j2"))
    assert "--set prompt.template=FILE" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ text.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'].environ }}",
        "{{ text.format.__self__.__class__ }}",
        "{{ '{0.__class__.__mro__}'.format(text) }}",
        "{% for x in range(10**9) %}{{ x }}{% endfor %}",
    ],
)
def test_a_template_reaches_nothing_else(folder: Path, text: str) -> None:
    from orchestrator.benchmark.task import tasks

    path = folder / "theirs" / "ok.j2"
    path.write_text(text)
    with pytest.raises(InputError, match=r"the template fails|unknown variable"):
        template.load(str(path)).render(tasks()["MELD"], text="Hello")


def test_a_large_file_is_no_template(folder: Path) -> None:
    path = folder / "theirs" / "ok.j2"
    path.write_text("x" * 1_000_001)
    with pytest.raises(InputError, match="this is no prompt template: it holds 1,000,001 bytes"):
        template.load(str(path))
