"""`clean` and the sub-commands of `env` and `data`, one thin function each.

Heavy imports stay inside, so that --help is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.options import Columns, DataRoot, Json, Limit, RunsDir, Set, Sweep, Tasks, VideoRoot
from orchestrator.run import RUNS


def clean(
    recipes: Annotated[
        list[Path] | None,
        typer.Argument(help="Only the runs of these recipes, and of their sweeps.", metavar="RECIPE..."),
    ] = None,
    task: Tasks = None,
    set_: Set = None,
    sweep: Sweep = None,
    limit: Limit = None,
    runs_dir: RunsDir = RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking what no recipe leads to.")] = False,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="With --yes: also remove the trainings whose scores are done.")
    ] = False,
    json: Json = False,
) -> None:
    """List what nobody needs any more in the folders of runs, and remove it if you say so.

    That is what no recipe leads to: not the one that a run keeps, nor the file which that was made from, nor those in
    recipes/, nor those that are named, as they are and with --set, --sweep and --limit. Scores and results stay.

    Of trainings whose scores are done it asks apart: only their weights are lost with them.

    Example: python -m orchestrator clean recipes/qwen2_7b_sft.yaml
    """
    from orchestrator.cli.clean import clean_runs
    from orchestrator.recipe.files import RecipeFiles
    from orchestrator.recipe.trust import KEPT

    chosen = RecipeFiles(recipes or (), set_ or (), task or (), limit, sweep or (), trust=KEPT)
    raise typer.Exit(clean_runs(chosen, runs_dir, yes=yes, checkpoints=checkpoints, as_json=json))


def env_list(json: Json = False) -> None:
    """List the toolkits' environments and their state.

    Example: python -m orchestrator env list
    """
    from orchestrator.cli.env import print_environments

    print_environments(as_json=json)


def env_build(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Toolkits, as `env list` names them.", metavar="NAME...", autocompletion=completion.toolkits
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Build again even if it is up to date.")] = False,
    wheels: Annotated[
        Path | None,
        typer.Option(help="Take all packages from this folder, and nothing from a network (docs/offline.md)."),
    ] = None,
) -> None:
    """Build toolkits' environments from their hash-pinned locks. A run does it by itself when needed.

    Example: python -m orchestrator env build llamafactory
    """
    from orchestrator.cli.env import build_environments

    build_environments(names, force=force, wheels=wheels)


def env_check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Toolkits; all that are built if none.", autocompletion=completion.toolkits),
    ] = None,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Also see whether each fits the driver and computes on every GPU.")
    ] = False,
) -> None:
    """Check that environments really work: import what will be used, and with --gpu compute on the GPUs.

    Before that it tells of the machine: disk, memory, shared memory, limits of processes, the hub, a compiler.

    Example: python -m orchestrator env check --gpu llamafactory
    """
    from orchestrator.cli.env import check_environments

    check_environments(names or [], gpu=gpu)


def data_check(
    data_root: DataRoot = None,
    task: Tasks = None,
    videos: Annotated[bool, typer.Option("--videos", help="Also unpack and decode the videos.")] = False,
    video_root: VideoRoot = None,
    columns: Columns = None,
    runs_dir: RunsDir = RUNS,
    json: Json = False,
) -> None:
    """Check data: rows against the published sizes, labels, duplicates, videos, and test rows in training data.

    Published rows that are missing are warnings; exit status 1 where anything is wrong.

    Example: python -m orchestrator data check --data-root ~/MMLA --task MELD --videos
    """
    from orchestrator.cli.data_check import check_data

    cache = runs_dir / ".cache" / "videos.json"
    code = check_data(data_root, task or (), video_root, columns, videos=videos, cache=cache, as_json=json)
    raise typer.Exit(code)


def data_repair(
    data_root: DataRoot = None,
    task: Tasks = None,
    video_root: VideoRoot = None,
    columns: Columns = None,
    runs_dir: RunsDir = RUNS,
    json: Json = False,
) -> None:
    """Write sound copies of the videos that some toolkit would not read as they are shown: the frames, evenly, upright.

    A copy (H.264 in MP4, a constant rate, with its sound) lies in a folder .repaired beside its original, which stays
    as it is. Runs read the copy. Exit status 1 where a video is missing or damaged, which no copy can mend.

    Example: python -m orchestrator data repair --data-root ~/MMLA --task MELD
    """
    from orchestrator.cli.data_repair import repair_data

    cache = runs_dir / ".cache" / "videos.json"
    raise typer.Exit(repair_data(data_root, task or (), video_root, columns, cache=cache, as_json=json))


def data_download(
    dataset: Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set (repeatable).")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to fill (default: $MMLA_DATA_ROOT, or data).")] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch (default: the manifest's commit, or main).")
    ] = None,
    no_videos: Annotated[bool, typer.Option("--no-videos", help="Only the texts and labels (a few MB).")] = False,
) -> None:
    """Download the published data sets (50 GB with videos) and unpack the videos; goes on where it stopped.

    Honours HF_ENDPOINT and HF_TOKEN. What was fetched, and from which commit, is in OUT/manifest.json.

    Example: python -m orchestrator data download --dataset MELD --dataset MIntRec --out ~/MMLA --no-videos
    """
    from orchestrator.data.download import download
    from orchestrator.recipe.sections import Data

    download(dataset or (), out or Path(Data().root), revision, videos=not no_videos)
