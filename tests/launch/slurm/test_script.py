"""A batch's script: what it asks for, and that a shell makes of it what was meant."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.launch.slurm.script import Batch, script_of
from orchestrator.recipe.slurm import Slurm

BATCH = Batch("tiny", ("MELD", "MOSI"), 2, 1, 120.0, Slurm(), Path("/runs/tiny/slurm"), Path("/here"), ("/bin/echo",))


def asked(batch: Batch) -> list[str]:
    """What stands behind each ``#SBATCH``, before the first line that is none."""
    head, *lines = script_of(batch).split("\n\n")[0].splitlines()
    assert head == "#!/bin/bash"
    assert all(line.startswith("#SBATCH --") for line in lines)
    return [line.removeprefix("#SBATCH ") for line in lines]


def run(batch: Batch, **env: str) -> subprocess.CompletedProcess[str]:
    argv = ["bash", "-c", script_of(batch)]
    return subprocess.run(argv, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, check=False)


def test_what_every_job_asks_for() -> None:
    assert asked(BATCH) == [
        "--job-name=tiny", "--array=0-1", "--output=/runs/tiny/slurm/%A_%a.log", "--chdir=/here", "--open-mode=append",
        "--requeue", "--signal=B:USR1@180", "--nodes=1", "--ntasks-per-node=1", "--gres=gpu:2",
    ]  # fmt: skip


def test_what_a_site_asks_for() -> None:
    own = Slurm(
        partition="gpu,gpu2", account="lab", qos="long", time="2-00:00:00", cpus=8, mem="64G", constraint="[a100|h100]",
        array_limit=3, extra={"exclusive": True, "contiguous": False, "nice": 5, "comment": "two words # and more"},
    )  # fmt: skip
    assert asked(replace(BATCH, settings=own))[-10:] == [
        "--cpus-per-task=8", "--mem=64G", "--time=2-00:00:00", "--partition=gpu,gpu2", "--account=lab", "--qos=long",
        "--constraint=[a100|h100]", "--exclusive", "--nice=5", '--comment="two words # and more"',
    ]  # fmt: skip
    assert "--array=0-1%3" in asked(replace(BATCH, settings=own))


@pytest.mark.parametrize(
    ("option", "kind", "words"),
    [
        ("gres", None, "--gres=gpu:2"),
        ("gres", "a100", "--gres=gpu:a100:2"),
        ("gpus-per-node", None, "--gpus-per-node=2"),
        ("gpus", "h100", "--gpus=h100:6"),  # of all nodes together
    ],
)
def test_how_gpus_are_asked_for(option: str, kind: str | None, words: str) -> None:
    settings = Slurm.model_validate({"gpu_option": option, "gpu_type": kind})
    assert words in asked(replace(BATCH, nodes=3, settings=settings))


def test_a_job_without_gpus_asks_for_none() -> None:
    assert not [option for option in asked(replace(BATCH, gpus=0)) if "gpu" in option]


def test_a_short_limit_leaves_most_of_it_before_the_warning() -> None:
    assert "--signal=B:USR1@15" in asked(replace(BATCH, settings=Slurm(time="1")))
    assert "--signal=B:USR1@180" in asked(replace(BATCH, settings=Slurm(time="10")))


def test_a_long_grace_is_one_that_slurm_takes() -> None:
    assert "--signal=B:USR1@65535" in asked(replace(BATCH, grace=100000.0))


def test_a_job_of_an_array_finds_its_name_and_its_number() -> None:
    batch = replace(BATCH, argv=("/bin/sh", "-c", 'echo "$MMLA_SLURM_JOB: $*"', "sh"))
    assert (
        run(batch, SLURM_ARRAY_JOB_ID="12", SLURM_ARRAY_TASK_ID="1", SLURM_JOB_ID="13").stdout == "12_1: --only MOSI\n"
    )
    alone = replace(batch, jobs=("MELD",), array=False)
    assert run(alone, SLURM_JOB_ID="13").stdout == "13: --only MELD\n"
    assert "--output=/runs/tiny/slurm/%j.log" in asked(alone)
    assert not [option for option in asked(alone) if "array" in option]
    assert (alone.id_of("MELD", "13"), batch.id_of("MOSI", "12")) == ("13", "12_1")
    assert batch.log_of("MOSI", "12") == Path("/runs/tiny/slurm/12_1.log")


def test_setup_comes_before_and_its_environment_stays() -> None:
    batch = replace(BATCH, settings=Slurm(setup=("X='a b'", "export X")), argv=("/bin/sh", "-c", 'echo "$X"', "sh"))
    assert run(batch, SLURM_JOB_ID="1").stdout == "a b\n"


def test_a_warning_before_the_program_heeds_it_does_not_end_the_job() -> None:
    """Of a job that dies of it Slurm says that it failed: one that is pre-empted while modules load was lost."""
    batch = replace(BATCH, settings=Slurm(setup=("kill -USR1 $$",)), argv=("/bin/echo", "goes on"))
    assert run(batch, SLURM_JOB_ID="1").stdout == "goes on --only MELD\n"


@pytest.mark.parametrize("word", ["a b", "$(touch hole)", "`id`", "'; exit 9 #", '"', "é\n!", "$HOME", "*"])
def test_no_word_is_more_than_a_word(word: str, tmp_path: Path) -> None:
    batch = replace(BATCH, jobs=(word,), argv=("/usr/bin/printf", "%s|", word))
    assert run(batch, SLURM_JOB_ID="1").stdout == f"{word}|--only|{word}|"


@pytest.mark.parametrize(
    ("folder", "option"),
    [
        ("/my runs/50%", '--output="/my runs/50%%/%A_%a.log"'),  # `%` is a field of Slurm's
        ("/runs #1", '--output="/runs #1/%A_%a.log"'),
    ],
)
def test_folders_of_any_name(folder: str, option: str) -> None:
    assert option in asked(replace(BATCH, folder=Path(folder)))


@pytest.mark.parametrize("folder", ['/a"b', "/a\\b", "/a\nb"])
def test_a_folder_that_sbatch_could_not_read_is_refused(folder: str) -> None:
    with pytest.raises(InputError, match="cannot stand in a script of Slurm"):
        script_of(replace(BATCH, folder=Path(folder)))


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.sh.j2"
    batch = replace(BATCH, settings=Slurm(template=str(own)))
    own.write_text("#!/bin/sh\n#SBATCH {{ options[0] }}\nrun {{ command }} --only {{ jobs | map('sh') | join(' ') }}\n")
    assert script_of(batch) == "#!/bin/sh\n#SBATCH --job-name=tiny\nrun /bin/echo --only MELD MOSI\n"
    own.write_text("#!/bin/sh\nexec {{ command }}\n")
    with pytest.raises(InputError, match=r"own\.sh\.j2: the script's template does not say which job is to be done\n"):
        script_of(batch)
    own.write_text("#!/bin/sh\n{{ commnad }}\n")
    with pytest.raises(InputError, match=r"own\.sh\.j2.*'commnad' is undefined"):
        script_of(batch)
    own.write_text("{% for x in %}\n")
    with pytest.raises(InputError, match=r"own\.sh\.j2:1: the script's template fails"):
        script_of(batch)
    own.unlink()
    with pytest.raises(InputError, match=r"own\.sh\.j2: the script's template fails: No such file"):
        script_of(batch)


@pytest.mark.parametrize(("given", "seen"), [({}, "/a checkout"), ({"PYTHONPATH": "/mine"}, "/a checkout:/mine")])
def test_a_job_runs_the_checkout_that_submitted_it(given: dict[str, str], seen: str) -> None:
    """Also where a site's setup, or the user, names folders of Python's."""
    batch = replace(BATCH, argv=("bash", "-c", 'echo "$PYTHONPATH"'), checkout=Path("/a checkout"))
    said = run(batch, SLURM_ARRAY_TASK_ID="0", **given)
    assert said.stdout == f"{seen}\n"
    setup = Slurm(setup=("export PYTHONPATH=/site",))
    said = run(replace(batch, settings=setup), SLURM_ARRAY_TASK_ID="0")
    assert said.stdout == "/a checkout:/site\n"
    assert "PYTHONPATH" not in script_of(replace(batch, checkout=None, argv=("true",)))
