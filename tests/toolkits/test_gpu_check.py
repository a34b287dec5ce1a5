"""`make gpu-check` in small, on one real toolkit: its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu_check import __main__ as gpu_check
from tests.gpu_check import page

pytestmark = [pytest.mark.toolkit, pytest.mark.long, pytest.mark.usefixtures("llamafactory_env")]
PARTS = ["llamafactory/environment", "llamafactory/sft", "llamafactory/devices"]


def test_in_small_without_a_gpu(tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    words = [word for part in PARTS for word in ("--only", part)]
    assert gpu_check.main(["--device", "cpu", "--out", str(out), *words]) == 0, out.read_text()
    held = page.read(out)
    assert [(one.part, one.state) for one in held.records] == [(part, "ok") for part in PARTS]
    environment, sft, devices = (one.figures for one in held.records)
    assert environment["torch"].startswith("torch 2.")
    assert "steps/s" in sft["training"]
    assert "main memory of a process" in sft["memory"]
    assert devices == {"without a GPU": "refused before it starts"}
