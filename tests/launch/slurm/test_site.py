"""A site's file: which one is read, and what a recipe says over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.launch.slurm.site import read_site, settings_of, site_file
from orchestrator.recipe.slurm import Slurm


def test_the_given_file_then_the_environments_then_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MMLA_SITE", raising=False)
    assert site_file(None) is None
    assert read_site(None) == Slurm()
    usual = tmp_path / ".config" / "mmla" / "site.yaml"
    usual.parent.mkdir(parents=True)
    usual.write_text("partition: usual\n")
    assert read_site(None).partition == "usual"
    (tmp_path / "other.yaml").write_text("partition: other\n")
    monkeypatch.setenv("MMLA_SITE", "~/other.yaml")
    assert read_site(None).partition == "other"
    (tmp_path / "given.yaml").write_text("partition: given\n")
    assert read_site(tmp_path / "given.yaml").partition == "given"


def test_a_file_that_is_named_must_be_there_and_right(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_site(tmp_path / "none.yaml")
    (tmp_path / "site.yaml").write_text("partition: a\npartitoin: b\n")
    with pytest.raises(InputError, match=r"site\.yaml:2:1: .*`partitoin`\n.*did you mean `partition`"):
        read_site(tmp_path / "site.yaml")


def test_a_recipe_says_it_over_its_site_key_by_key() -> None:
    site = Slurm(partition="gpu", constraint="a100", requeues=9, extra={"nice": 5, "mem-per-gpu": "64G"})
    # what the recipe writes out counts, though it is as good as the default
    own = Slurm(constraint=None, requeues=5, extra={"nice": 7})
    found = settings_of(own, site)
    assert (found.partition, found.constraint, found.requeues) == ("gpu", None, 5)
    assert found.extra == {"nice": 7, "mem-per-gpu": "64G"}
