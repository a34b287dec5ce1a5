"""The arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import completion

DataRoot = Annotated[Path | None, typer.Option(help="The folder with the data sets.")]
VideoRoot = Annotated[str | None, typer.Option(help="Where the videos lie; may hold {root}, {dataset}.")]
Columns = Annotated[
    str | None, typer.Option(help="As data.columns: text=Utterance,label=Emotion or id,video,text,label.")
]
Recipes = Annotated[list[Path], typer.Argument(help="Recipe files.", metavar="RECIPE...")]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", help="Only this task (repeatable); `ls tasks` names them.", autocompletion=completion.task_names
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a recipe key, e.g. --set train.epochs=1 (repeatable).", metavar="KEY=VALUE"),
]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep", help="Run each of a key's values, e.g. --sweep seed=1,2,3 (repeatable: all combinations).",
        metavar="KEY=VALUE,VALUE",
    ),
]  # fmt: skip
Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Only this job, or this stage of it; what it needs must be done (repeatable).", metavar="JOB[/STAGE]"
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only N samples of every split, to try things out.")]
AllowEnv = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-env", help="Let a recipe set this variable in resources.env: an address, a path (repeatable).",
        metavar="NAME",
    ),
]  # fmt: skip
RunsDir = Annotated[Path, typer.Option(help="Where stages keep their files.")]
ResultsDir = Annotated[Path, typer.Option(help="Where results CSVs go.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
On = Annotated[
    str, typer.Option(help="Where it runs: on this machine, or as jobs of a cluster.", metavar="local|slurm")
]
Site = Annotated[
    Path | None,
    typer.Option(help="What the cluster asks for (default: $MMLA_SITE, else ~/.config/mmla/site.yaml)."),
]
ArrayLimit = Annotated[int | None, typer.Option(min=1, help="On slurm: at most so many jobs of a recipe at once.")]
