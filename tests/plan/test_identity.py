"""What files, models and videos count by."""

from __future__ import annotations

from pathlib import Path

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
