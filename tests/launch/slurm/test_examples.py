"""The site files that the page on clusters shows are such files, and ask for what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.launch.slurm.site import read_site
from tests.shared import ROOT

BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS, ids=["modules", "kinds", "offline"])
def test_a_site_file_of_the_page_can_be_used(text: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    read = read_site(file)
    assert read.model_fields_set == set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert read.partition in ("gpu", "accelerated")
