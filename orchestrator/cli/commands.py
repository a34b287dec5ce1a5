"""The sub-commands around runs, one thin function each. Heavy imports stay inside, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import (
    AllowEnv,
    ArrayLimit,
    Columns,
    DataRoot,
    Json,
    Limit,
    On,
    Only,
    Recipes,
    ResultsDir,
    RunsDir,
    Set,
    Site,
    Sweep,
    Tasks,
    VideoRoot,
)
from orchestrator.run import RESULTS, RUNS

if TYPE_CHECKING:
    from orchestrator.recipe.recipe import Swept


def run(
    recipes: Recipes,
    task: Tasks = None,
    set_: Set = None,
    sweep: Sweep = None,
    limit: Limit = None,
    only: Only = None,
    runs_dir: RunsDir = RUNS,
    results_dir: ResultsDir = RESULTS,
    merge: Annotated[
        bool, typer.Option("--merge", help="Also write merged weights (72B: about 145 GB a job).")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="At most so many stages at once (default: as the GPUs allow; 1 on a CPU).")
    ] = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again what ended in an error; good answers are kept.")
    ] = False,
    on: On = "local",
    site: Site = None,
    array_limit: ArrayLimit = None,
    allow_env: AllowEnv = None,
    # in jobs of Slurm, `batches.py` writes these: what a recipe is of a sweep, and that it was checked
    of_sweep: Annotated[str | None, typer.Option(hidden=True)] = None,
    checked: Annotated[bool, typer.Option("--checked", hidden=True)] = False,
) -> None:
    """Run recipes: train, choose the checkpoint, answer, score, write the results CSV.

    What is done already is not done again, so the same command goes on after any stop.

    Example: python -m orchestrator run recipes/qwen2_7b_sft.yaml --task MELD --set data.root=~/MMLA

    Each of some values: python -m orchestrator run recipes/demo.yaml --sweep train.epochs=2,4 --sweep seed=1,2

    A part of it, e.g. as one job of a scheduler: python -m orchestrator run recipes/qwen2_7b_sft.yaml --only MELD/train

    On a cluster: python -m orchestrator run recipes/qwen2_7b_sft.yaml --on slurm --array-limit 3
    """
    from orchestrator.recipe.files import RecipeFiles
    from orchestrator.recipe.trust import trust_of

    chosen = RecipeFiles(
        recipes, set_ or (), task or (), limit, sweep or (), _swept(of_sweep), trust_of(allow_env or (), kept=checked)
    )
    if on != "local" or site or array_limit:
        from orchestrator.cli import slurm
        from orchestrator.run.submission import Wanted

        slurm.need(on, jobs)
        wanted = Wanted(chosen, runs_dir, results_dir, only or (), merge, site, array_limit)
        slurm.submit(wanted, errors_again=retry_errors)
        return
    from orchestrator.cli.view import make_view
    from orchestrator.run.run import run_recipes

    code = run_recipes(
        chosen, runs_dir, results_dir, make_view, only=only or (), merge=merge, errors_again=retry_errors, jobs=jobs
    )
    raise typer.Exit(code)


def plan(
    recipes: Recipes,
    task: Tasks = None,
    set_: Set = None,
    sweep: Sweep = None,
    limit: Limit = None,
    only: Only = None,
    runs_dir: RunsDir = RUNS,
    merge: Annotated[bool, typer.Option("--merge", help="Plan merged weights, too.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Also print the files that the commands read.")] = False,
    json: Json = False,
    on: On = "local",
    site: Site = None,
    array_limit: ArrayLimit = None,
    results_dir: ResultsDir = RESULTS,
    allow_env: AllowEnv = None,
) -> None:
    """Show the stages of a recipe: their exact commands, what is done, GPU hours and disk of the rest. Starts nothing.

    Several recipes are a table: jobs, model loads, GPUs, GPU hours, disk, beside what the benchmark's own scripts do.

    Example: python -m orchestrator plan recipes/qwen2_7b_sft.yaml --task MELD --files

    The scripts for a cluster: python -m orchestrator plan recipes/qwen2_7b_sft.yaml --on slurm
    """
    from orchestrator.recipe.files import RecipeFiles
    from orchestrator.recipe.trust import trust_of

    chosen = RecipeFiles(recipes, set_ or (), task or (), limit, sweep or (), trust=trust_of(allow_env or ()))
    if on != "local" or site or array_limit:
        from orchestrator.cli import slurm
        from orchestrator.run.submission import Wanted

        slurm.need(on)
        slurm.print_submission(
            Wanted(chosen, runs_dir, results_dir, only or (), merge, site, array_limit), as_json=json
        )
        return
    from orchestrator.cli.plan import print_plans

    print_plans(chosen, runs_dir, only or (), merge=merge, with_files=files, as_json=json)


def validate(
    recipes: Recipes,
    task: Tasks = None,
    set_: Set = None,
    sweep: Sweep = None,
    limit: Limit = None,
    runs_dir: RunsDir = RUNS,
    allow_env: AllowEnv = None,
) -> None:
    """Check recipes, data, prompts and videos without running anything; shows one prompt per task.

    Example: python -m orchestrator validate recipes/*.yaml
    """
    from orchestrator.cli.validate import validate_recipes
    from orchestrator.recipe.files import RecipeFiles
    from orchestrator.recipe.trust import trust_of

    trust = trust_of(allow_env or ())
    validate_recipes(RecipeFiles(recipes, set_ or (), task or (), limit, sweep or (), trust=trust), runs_dir)


def show(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file.", metavar="[RECIPE]")] = None,
    set_: Set = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of recipe files, for editors.")
    ] = False,
    json: Json = False,
    allow_env: AllowEnv = None,
) -> None:
    """Show a recipe fully resolved: bases merged, defaults filled in.

    Example: python -m orchestrator show recipes/qwen2_7b_sft.yaml
    """
    from orchestrator.cli.show import show_recipe
    from orchestrator.recipe.trust import trust_of

    show_recipe(recipe, set_ or (), trust_of(allow_env or ()), schema=schema, as_json=json)


def list_(
    what: Annotated[str, typer.Argument(help="tasks, models, recipes or runs", metavar="tasks|models|recipes|runs")],
    runs_dir: RunsDir = RUNS,
    data_root: DataRoot = None,
    json: Json = False,
) -> None:
    """List the tasks, the models, the recipes or the runs.

    Example: python -m orchestrator ls tasks
    """
    from orchestrator.cli.ls import print_list

    print_list(what, runs_dir, data_root, as_json=json)


def convert(
    task: Annotated[str, typer.Option(help="The task; `ls tasks` names them.")],
    toolkit: Annotated[str, typer.Option(help="The toolkit whose format is written.")],
    out: Annotated[str, typer.Option(help="The file to write; - for standard output.", metavar="FILE")],
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "train",
    modality: Annotated[str, typer.Option(help="text, video, video+audio or audio.")] = "text",
    data_root: DataRoot = None,
    video_root: VideoRoot = None,
    prompt: Annotated[str | None, typer.Option(help="A prompt template.")] = None,
    limit: Limit = None,
    protocol: Annotated[
        str, typer.Option(help="mmla, or released: prompts, answers and layout of the published files.")
    ] = "mmla",
    columns: Columns = None,
) -> None:
    """Convert one split of one task into a toolkit's training format.

    Example: python -m orchestrator convert --task MIntRec --split dev --toolkit llamafactory --out dev.json
    """
    from orchestrator.cli.convert import Conversion, convert_split

    chosen = Conversion(task, toolkit, split, modality, protocol, data_root, video_root, prompt, columns, limit)
    convert_split(chosen, out)


def _swept(text: str | None) -> Swept | None:
    """What a job's recipe is of a sweep, as ``--of-sweep`` says it."""
    if text is None:
        return None
    import json

    from orchestrator.recipe.recipe import Swept

    return Swept(**json.loads(text))
