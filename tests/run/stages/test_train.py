"""Training, and what becomes of what an earlier one led to."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.files import write_json
from orchestrator.plan.plan import Plan
from orchestrator.run.stages.train import _forget
from tests.tables import plan_of_text, table


def test_a_training_that_begins_anew_forgets_what_the_last_one_led_to(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split in ("train", "dev", "test"):
        table(root, "Demo", split, (split, "Is it?", "question"))
    plan = plan_of_text(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [demo]\n", root)
    (job,) = plan.jobs

    def begin(plan: Plan, at: str, *kinds: str) -> None:
        for stage in plan.jobs[0].stages:
            if stage.kind in kinds:
                state = {"key": stage.key, "inputs": stage.inputs, "attempts": [{"started_at": f"2026-01-01T{at}"}]}
                write_json(stage.folder / "stage.json", state)

    other = plan_of_text(tmp_path, "method: sft\nmodel: tiny_qwen2\ntasks: [demo]\n", root, "inference.split=dev")
    begin(plan, "09:00", "convert", "select", "infer", "score")
    begin(other, "09:00", "infer", "score")
    begin(plan, "11:00", "train")
    _forget(job.stage("train"))
    assert [stage.kind for stage in job.stages if stage.folder.exists()] == ["convert", "train"]
    assert not other.jobs[0].stage("infer").folder.exists(), "whatever its settings"
    begin(plan, "12:00", "select", "infer")
    _forget(job.stage("train"))
    assert job.stage("infer").folder.exists(), "it was made from this one"
