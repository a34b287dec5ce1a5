"""What files, models and videos count by."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.environments.environment import Environment
from orchestrator.errors import InputError
from orchestrator.plan import identity
from orchestrator.plan.plan import Plan
from tests.media import write_video
from tests.plan.demo import demo_plan, keys


def test_model_folder_counts_by_content(data: Path, tmp_path: Path) -> None:
    def with_model(folder: Path) -> Plan:
        model = f"{{name: Mine, path: {folder}, toolkit: llamafactory, template: qwen, type: LLM}}"
        return demo_plan(data, f"model={model}", recipe="tiny_qwen2_zero_shot", **{})

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights" * 1000)
    first = keys(with_model(tmp_path / "a"))
    assert first == keys(with_model(tmp_path / "b"))
    (tmp_path / "b" / "model.safetensors").write_bytes(b"weightz" * 1000)
    assert first != keys(with_model(tmp_path / "b"))


def test_video_counts_by_name_and_size(data: Path) -> None:
    for split in ("train", "dev", "test"):
        path = data / "Demo" / f"{split}.tsv"
        rows = path.read_text().splitlines()
        path.write_text("\n".join([rows[0], rows[1].replace("\t\t", "\tclip.mp4\t", 1)]) + "\n")
    (data / "Demo" / "video").mkdir()
    overrides = ("model=tiny_qwen2_vl", "data.modality=video")
    missing = keys(demo_plan(data, *overrides))
    write_video(data / "Demo" / "video" / "clip.mp4", frames=4)
    short = keys(demo_plan(data, *overrides))
    write_video(data / "Demo" / "video" / "clip.mp4", frames=9)
    longer = keys(demo_plan(data, *overrides))
    for kind in ("convert", "infer"):
        assert len({missing[kind], short[kind], longer[kind]}) == 3


def test_the_middle_of_a_large_model_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    content = bytearray(20 << 20)
    path.write_bytes(content)
    before = identity.of_file(path)
    content[7 << 20 : 8 << 20] = b"x" * (1 << 20)
    path.write_bytes(content)
    assert identity.of_file(path) != before


LOCK = """a==1 \\
    --hash=sha256:0
    # via b
git @ https://example.org/x#egg=x
"""


@pytest.mark.parametrize(
    ("text", "python", "source", "same"),
    [
        (LOCK, "3.11", {"pypi": "a==1"}, True),
        ("# made by uv 9\n" + LOCK.replace("via b", "via\n    #   b\n    #   c"), "3.11", {"pypi": "a==1"}, True),
        (LOCK.replace("\n", "  # a remark\n"), "3.11", {"pypi": "a==1", "distribution": "aa"}, True),
        (LOCK.replace("==1", "==2"), "3.11", {"pypi": "a==1"}, False),
        (LOCK.replace("#egg=x", "#egg=y"), "3.11", {"pypi": "a==1"}, False),
        (LOCK.replace("256:0", "256:1"), "3.11", {"pypi": "a==1"}, False),
        (LOCK, "3.12", {"pypi": "a==1"}, False),
        (LOCK, "3.11", {"pypi": "a==2"}, False),
        (LOCK, "3.11", {"git": "https://example.org", "commit": "0" * 40}, False),
        (LOCK, "3.11", {}, False),
    ],
)
def test_an_environment_counts_by_what_is_installed(
    tmp_path: Path, text: str, python: str, source: dict[str, str], same: bool
) -> None:
    digests = []
    for name, *rest in (("one", LOCK, "3.11", {"pypi": "a==1"}), ("two", text, python, source)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.lock").write_text(rest[0])
        digests.append(identity.of_environment(Environment(name, tmp_path / name, rest[1], rest[2], "", ())))
    assert (digests[0] == digests[1]) == same


def test_where_a_commit_is_taken_from_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text(LOCK)
    sources = [{"git": url, "commit": commit} for url, commit in (("a", "0"), ("b", "0"), ("a", "1"))]
    one, mirror, other = (identity.of_environment(Environment("x", tmp_path, "3.11", source, "")) for source in sources)
    assert one == mirror != other


def test_a_damaged_lock_is_another_one(tmp_path: Path) -> None:
    digests = set()
    for content in (LOCK.encode(), LOCK.encode() + b"\xff", LOCK.encode() + b"\xfe"):
        (tmp_path / "requirements.lock").write_bytes(content)
        digests.add(identity.of_environment(Environment("x", tmp_path, "3.11", {}, "")))
    assert len(digests) == 3


def test_no_lock_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the lock"):
        identity.of_environment(Environment("x", tmp_path, "3.11", {}, ""))
