"""What a toolkit offers: which table holds for what is installed, and how it is made; with an environment of links."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.environments.build import build
from orchestrator.environments.environment import Environment
from orchestrator.environments.offers import BROKEN, BUILT, COPY, PROGRAM, Installed
from orchestrator.errors import InputError
from tests.environments.toy import load

PINS = "made_with: [toy-kit==1.2, transformers==4.57.6]\n"
LOCK = "toy-kit==1.2 \\\n    --hash=sha256:00\ntransformers==4.57.6 \\\n    --hash=sha256:00\n"


def packages(environment: Environment, *names: str) -> None:
    for name in names:
        (environment.venv / "lib/python3.11/site-packages" / name).mkdir(parents=True, exist_ok=True)


def of(tmp_path: Path) -> tuple[str, ...]:
    """The templates that an environment read anew offers; nothing where that is not known."""
    offers = load(tmp_path).offers
    return offers.template if offers else ()


@pytest.mark.parametrize(
    ("requirements", "there"),
    [
        (["toy-kit==1.2"], True),
        (["Toy_Kit==1.2", "transformers==4.57.6"], True),
        (["toy-kit==1.2.0"], False),
        (["toy-kit==1"], False),
        (["toy==1.2"], False),
        (["kit==1.2"], False),
        (["transformers==4.57.6", "torch==2"], False),
        ([], True),
    ],
)
def test_what_a_lock_would_install(tmp_path: Path, requirements: list[str], there: bool) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    assert Installed(tmp_path / ".venv", lock, ready=False).all(requirements) == there


def test_modules_that_are_there_or_will_be(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("qwen-omni-utils==0.0.8\n")
    planned, built = (Installed(tmp_path / ".venv", lock, ready=ready) for ready in (False, True))
    assert (planned.has("qwen_omni_utils"), planned.has("qwen_omni"), planned.has("six")) == (True, False, False)
    site = tmp_path / ".venv/lib/python3.11/site-packages"
    (site / "librosa").mkdir(parents=True)
    (site / "soundfile.py").touch()
    assert [built.has(name) for name in ("librosa", "soundfile", "qwen_omni_utils")] == [True, True, False]


def test_the_copy_serves_where_it_is_not_built_and_for_the_same_versions(toy: Environment, tmp_path: Path) -> None:
    assert toy.offers is None
    (toy.folder / COPY).write_text(f"{PINS}template: [qwen]\n")
    assert of(tmp_path) == (), "the lock pins no transformers"
    toy.lock.write_text(LOCK)
    assert of(tmp_path) == ("qwen",)
    toy.lock.write_text(LOCK.replace("4.57.6", "5.6.0"))
    assert of(tmp_path) == (), "of one's own pins ours says nothing"


def test_what_is_installed_counts_where_it_is_built(toy: Environment, tmp_path: Path) -> None:
    toy.lock.write_text(LOCK)
    (toy.folder / COPY).write_text(f"{PINS}template: [qwen]\n")
    build(load(tmp_path))
    assert of(tmp_path) == ()
    packages(toy, "transformers-4.57.6.dist-info")
    assert of(tmp_path) == ("qwen",)
    table = {"made_with": ["toy-kit==1.2"], "template": ["own"], "video": ["own"]}
    (toy.venv / BUILT).write_text(json.dumps(table))
    assert of(tmp_path) == ("own",), "its own goes first"
    for other in (table | {"made_with": ["toy-kit==9"]}, table | {"visions": []}, {"template": ["own"]}, [], "half"):
        (toy.venv / BUILT).write_text(json.dumps(other)[:-1] if other == "half" else json.dumps(other))
        assert of(tmp_path) == ("qwen",), other
    toy.lock.write_text(f"{LOCK}six==1\n")  # to be built again: what is installed is not what will be
    assert of(tmp_path) == ("qwen",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{PINS}template: qwen\n", "2:11: `template` must be a list, not the text 'qwen'\n    write `[qwen]`"),
        (f"{PINS}tempalte: [qwen]\n", "2:1: unknown key `tempalte`\n    did you mean `template`?"),
        ("template: [qwen]\n", " `made_with` is missing\n    add `made_with: ...`"),
    ],
)
def test_a_copy_with_mistakes(toy: Environment, text: str, expected: str) -> None:
    (toy.folder / COPY).write_text(text)
    with pytest.raises(InputError) as caught:
        _ = toy.offers
    assert str(caught.value).startswith(f"{toy.folder / COPY}:{expected}")


def test_what_does_not_work_is_of_certain_versions_too(toy: Environment, tmp_path: Path) -> None:
    assert toy.broken == ()
    entry = "  - {names: [glm4v], modality: [video], why: it fails, instead: take another}\n"
    (toy.folder / BROKEN).write_text(f"{PINS}families:\n{entry}")
    assert load(tmp_path).broken == ()
    toy.lock.write_text(LOCK)
    (one,) = load(tmp_path).broken
    assert (one.names, one.modality, one.why, one.instead) == (("glm4v",), ("video",), "it fails", "take another")


@pytest.fixture
def with_program(toy: Environment, tmp_path: Path) -> Environment:
    """A toolkit whose program says that it offers what its variable holds."""
    program = tmp_path / "code" / PROGRAM
    program.parent.mkdir(parents=True)
    for folder in (program.parent, program.parent.parent):
        (folder / "__init__.py").touch()
    program.write_text(
        "import json, os, sys\n"
        "def main():\n"
        "    table = {'made_with': ['toy-kit==1.2'], 'template': ['made']}\n"
        "    if 'FAILS' in os.environ: raise SystemExit('no such thing')\n"
        "    open(sys.argv[1], 'w').write(json.dumps(table))\n"
    )
    return replace(toy, code=tmp_path / "code")


def test_a_build_makes_the_table(with_program: Environment) -> None:
    build(with_program)
    offers = replace(with_program).offers
    assert offers
    assert offers.template == ("made",)


def test_a_build_without_a_table_is_a_build(with_program: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "1")
    build(with_program)
    assert (with_program.state(), replace(with_program).offers) == ("ready", None)
    said = with_program.log.read_text().splitlines()[-1]
    assert said == "no table of what it offers could be made: no such thing"
    monkeypatch.delenv("FAILS")
    assert with_program.make_offers() == ""
    assert replace(with_program).offers


def test_a_table_that_cannot_be_written_is_told(with_program: Environment) -> None:
    assert with_program.make_offers() == f"{with_program.venv / BUILT}: No such file or directory"
    build(with_program)
    (with_program.venv / BUILT).unlink()
    (with_program.venv / BUILT).mkdir()
    assert with_program.make_offers().startswith(f"{with_program.venv / BUILT}: Is a directory")
