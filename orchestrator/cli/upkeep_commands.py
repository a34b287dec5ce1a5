"""The sub-commands of `env` and `data`, one thin function each. Heavy imports stay inside, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Columns, DataRoot, Json, RunsDir, Tasks, VideoRoot
from orchestrator.run import RUNS


def env_list(json: Json = False) -> None:
    """List the toolkits' environments and their state.

    Example: python -m orchestrator env list
    """
    from orchestrator.cli.env import print_environments

    print_environments(as_json=json)


def env_build(
    names: Annotated[list[str], typer.Argument(help="Toolkits, as `env list` names them.", metavar="NAME...")],
    force: Annotated[bool, typer.Option("--force", help="Build again even if it is up to date.")] = False,
    wheels: Annotated[
        Path | None, typer.Option(help="Take all packages from this folder, and nothing from a network (README).")
    ] = None,
) -> None:
    """Build toolkits' environments from their hash-pinned locks. A run does it by itself when needed.

    Example: python -m orchestrator env build llamafactory
    """
    from orchestrator.cli.env import build_environments

    build_environments(names, force=force, wheels=wheels)


def env_check(
    names: Annotated[list[str] | None, typer.Argument(help="Toolkits; all that are built if none.")] = None,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Also see whether each fits the driver and computes on every GPU.")
    ] = False,
) -> None:
    """Check that environments really work: import what will be used, and with --gpu compute on the GPUs.

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
