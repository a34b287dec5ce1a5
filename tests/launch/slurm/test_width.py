"""How wide the allocation of a job is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.launch.slurm.batches import width_of
from tests.stages import finish
from tests.tables import plan_of_text, table


@pytest.mark.parametrize(
    ("resources", "train", "infer"),
    [("processes: 8, nodes: 2", (4, 2), (1, 1)), ("processes: 2, nodes: 2, inference_processes: 3", (3, 2), (3, 1))],
)
def test_as_the_widest_stage_that_is_left(
    tmp_path: Path, resources: str, train: tuple[int, int], infer: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # a login node
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, ("a", "Is it?", "question"))
    text = f"method: sft\nmodel: qwen2_7b\ntasks: [demo]\nresources: {{{resources}}}\n"
    plan = plan_of_text(tmp_path, text, root, "resources.device=cuda")
    (job,) = plan.jobs
    assert width_of(plan, job) == train
    finish(job.stage("train"))
    assert width_of(plan, job) == infer
