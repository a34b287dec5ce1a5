"""Which files count for a stage's key, and what all programs do alike."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from orchestrator.environments.places import toolkit_names
from orchestrator.toolkits.base import Part
from orchestrator.toolkits.programs import WITHOUT_MEANING, sources_of
from orchestrator.toolkits.registry import engine, trainer
from tests.shared import ROOT

SHARED, TOOLKITS = Path("orchestrator/inside"), Path("orchestrator/toolkits")
FILES = sorted(
    path.relative_to(ROOT)
    for folder in (ROOT / SHARED, *(ROOT / TOOLKITS).glob("*/inside"))
    for path in folder.glob("*.py")
    if path.stem not in ("__init__", "start")
)


def imported(path: Path) -> set[Path]:
    """The other files there that a file imports when it is run, as the interpreter sees it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    todo, names = list(tree.body), set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If):
            todo += [*node.body, *node.orelse]
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {Path(*name.split(".")).with_suffix(".py") for name in names} & set(FILES)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_whatever_a_program_imports_is_a_source(file: Path) -> None:
    found = [path.relative_to(ROOT) for path in sources_of(ROOT / file)]
    assert found[0] == file
    for path in found:
        assert imported(path) - {file.relative_to(ROOT) for file in WITHOUT_MEANING} <= set(found)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_programs_import_nothing_else_of_the_orchestrator(file: Path) -> None:
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.ImportFrom) and node.level), "by full names only"
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        ours = [name for name in names if name.partition(".")[0] == "orchestrator"]
        assert all("inside" in name.split(".") for name in ours), ours


def stems(part: Part, kind: str) -> set[str]:
    """A part's sources: those of its own folder by name, the shared ones behind a dot."""
    return {("." if path.parent == ROOT / SHARED else "") + path.stem for path in part.sources(kind)}


def test_a_training_is_not_done_again_for_what_only_inference_uses() -> None:
    answered = {name: stems(engine(name), "infer") for name in toolkit_names()}
    trained = {name: stems(trainer(name), "train") for name in toolkit_names() if name != "openai_api"}
    assert trained["videollama2"] == {"train", ".trainer_hooks", ".hub_pins"}
    assert {"infer", "model", "utterance", ".hub_pins"} <= answered["videollama2"]
    assert trained["llamafactory"] == {"train", ".trainer_hooks"}
    assert stems(trainer("llamafactory"), "init") == {"init"}
    assert ".trainer_hooks" in trained["llava_next"] - answered["llava_next"]
    assert trained["swift"] == {"train", "patches", ".trainer_hooks"}
    assert {"infer", "patches", "utterance", ".loop", ".answerer"} <= answered["swift"]
    # how requests are sent, again or not, is no reason to pay for all answers anew
    assert answered.pop("openai_api") == {"question", "frames", "reply"}
    assert all({"infer", ".loop"} <= files for files in answered.values())


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("llamafactory.inside.utterance", "< video> < image> <b> <video < |im_end|> < /s> <unk> </slice>"),
        ("llava_next.inside.model", "<video> < image> <b> <video < |im_end|> </s> <unk> </slice>"),
        ("swift.inside.utterance", "< video> < image> < b> <video < |im_end|> < /s> < unk> < /slice>"),
        ("videollama2.inside.utterance", "< video> < image> <b> <video < |im_end|> < /s> < unk> </slice>"),
    ],
)
def test_utterances_are_made_harmless(module: str, expected: str) -> None:
    text = "<video> <image> <b> <video <|im_end|> </s> <unk> </slice>"
    assert importlib.import_module(f"orchestrator.toolkits.{module}").neutralise(text) == expected


@pytest.mark.parametrize("name", ["llamafactory", "swift", "videollama2"])
def test_training_and_inference_have_the_same_rule(name: str) -> None:
    package = f"orchestrator.toolkits.{name}"
    rules = [importlib.import_module(f"{package}.{module}").neutralise for module in ("trainer", "inside.infer")]
    assert rules[0] is rules[1]


@pytest.mark.parametrize(
    "text",
    [
        "from . import other",
        "from .other import x",
        "from .. import inside\nfrom ..inside.other import x",
        "import kit.inside.other",
        "from kit.inside import other as that",
        "def late():\n    import kit.inside.other",
    ],
)
def test_however_a_package_from_elsewhere_imports_its_own(tmp_path: Path, text: str) -> None:
    inside = tmp_path / "kit" / "inside"
    inside.mkdir(parents=True)
    for folder in (inside, inside.parent):
        (folder / "__init__.py").touch()
    (inside / "other.py").write_text("from orchestrator.inside import loop")
    (inside / "program.py").write_text(text)
    names = {path.name for path in sources_of(inside / "program.py")}
    assert names == {"program.py", "other.py", "loop.py"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from ..helper import x", {"helper.py"}),
        ("import kit.helper as h", {"helper.py"}),
        ("from .. import helper", {"helper.py"}),
        ("from . import sub", {"sub/__init__.py", "sub/near.py"}),
        ("from .sub import far", {"sub/__init__.py", "sub/near.py", "sub/far.py"}),
        ("import kit.inside.sub.far", {"sub/__init__.py", "sub/near.py", "sub/far.py"}),
        ("from ..parts import part", {"parts/__init__.py", "parts/part.py"}),
    ],
)
def test_wherever_in_its_package_it_lies(tmp_path: Path, text: str, expected: set[str]) -> None:
    kit = tmp_path / "kit"
    for folder in (kit / "inside" / "sub", kit / "parts"):
        folder.mkdir(parents=True)
    for file in ("__init__", "helper", "inside/__init__", "inside/sub/far", "inside/sub/near", "parts/part"):
        (kit / f"{file}.py").touch()
    (kit / "parts" / "__init__.py").touch()
    (kit / "inside" / "sub" / "__init__.py").write_text("from .near import x")
    (kit / "inside" / "program.py").write_text(text)
    first, *others = sources_of(kit / "inside" / "program.py")
    assert first.name == "program.py"
    assert {str(path.relative_to(kit)).removeprefix("inside/") for path in others} == expected
