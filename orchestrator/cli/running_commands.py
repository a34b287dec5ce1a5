"""The sub-commands that look at runs and end them, one thin function each. Heavy imports stay inside."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.options import Json, RunsDir
from orchestrator.run import RUNS

Run = Annotated[
    str,
    typer.Argument(
        help="A run (a recipe's name), and those of its sweeps.", metavar="RUN", autocompletion=completion.runs
    ),
]


def status(
    run: Annotated[
        str | None,
        typer.Argument(
            help="Only this run (a recipe's name), and those of its sweeps.",
            metavar="[RUN]",
            autocompletion=completion.runs,
        ),
    ] = None,
    runs_dir: RunsDir = RUNS,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until nothing runs, or Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option(min=0.1, help="With --watch: look again after so many seconds.", metavar="SECONDS")
    ] = 2.0,
    json: Json = False,
) -> None:
    """Show how far runs are, read from disk, from any terminal: every stage's state and progress, what still waits.

    What a run that was killed has left running is ended, and that is said.

    Example: python -m orchestrator status tiny_qwen2_sft --watch
    """
    from orchestrator.cli.status import print_status

    print_status(run, runs_dir, as_json=json, watch=watch, every=every)


def logs(
    run: Run,
    job: Annotated[
        str | None, typer.Argument(help="Only this job, or this stage of it.", metavar="[JOB[/STAGE]]")
    ] = None,
    runs_dir: RunsDir = RUNS,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the jobs end, or Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="So many lines of each log.")] = 40,
) -> None:
    """Print the end of the newest log: of each job that runs, else of what ran last; of several behind their names.

    That is the log of the stage that runs, or the output of the Slurm job.

    Example: python -m orchestrator logs qwen2_7b_sft MELD --follow
    """
    from orchestrator.cli.logs import print_logs

    print_logs(run, job, runs_dir, lines=lines, follow=follow)


def cancel(
    run: Run,
    jobs: Annotated[list[str] | None, typer.Argument(help="Only these jobs.", metavar="[JOB...]")] = None,
    runs_dir: RunsDir = RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End what runs of a run, and take what waits out of Slurm's queue; what is done stays.

    The same `run` goes on from there, from the last checkpoint or answer.

    Example: python -m orchestrator cancel qwen2_7b_sft MELD MOSI
    """
    from orchestrator.cli.cancel import cancel_run

    raise typer.Exit(cancel_run(run, jobs or (), runs_dir, yes=yes))
