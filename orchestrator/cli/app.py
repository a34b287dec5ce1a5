"""The command line: one thin function per sub-command. Heavy imports stay inside, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.run import RESULTS, RUNS

app = typer.Typer(
    name="orchestrator",
    help="Run the MMLA benchmark (zero-shot, SFT, instruction tuning) over fine-tuning toolkits, from one recipe file."
    "\n\nStart with: python -m orchestrator run recipes/demo.yaml",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _group(name: str, about: str, example: str) -> typer.Typer:
    text = f"{about}\n\nExample: python -m orchestrator {example}"
    group = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


env_app = _group("env", "The toolkits' environments, built from third_party/NAME/.", "env list")
data_app = _group("data", "The benchmark's data: get it, and see whether it is sound.", "data check --data-root ~/MMLA")

DataRoot = Annotated[Path | None, typer.Option(help="The folder with the data sets.")]
VideoRoot = Annotated[str | None, typer.Option(help="Where the videos lie; may hold {root}, {dataset}.")]
Columns = Annotated[
    str | None, typer.Option(help="As data.columns: text=Utterance,label=Emotion or id,video,text,label.")
]
Recipes = Annotated[list[Path], typer.Argument(help="Recipe files.", metavar="RECIPE...")]
Tasks = Annotated[list[str] | None, typer.Option("--task", help="Only this task (repeatable); `ls tasks` names them.")]
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
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N rows of every split, to try things out.")]
RunsDir = Annotated[Path, typer.Option(help="Where stages keep their files.")]
ResultsDir = Annotated[Path, typer.Option(help="Where results CSVs go.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
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
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again what ended in an error; good answers are kept.")
    ] = False,
) -> None:
    """Run recipes: train, choose the checkpoint, answer, score, write the results CSV.

    What is done already is not done again, so the same command goes on after any stop.

    Example: python -m orchestrator run recipes/qwen2_7b_sft.yaml --task MELD --set data.root=~/MMLA

    Each of some values: python -m orchestrator run recipes/demo.yaml --sweep train.epochs=2,4 --sweep seed=1,2

    A part of it, e.g. as one job of a scheduler: python -m orchestrator run recipes/qwen2_7b_sft.yaml --only MELD/train
    """
    from orchestrator.cli.view import make_view
    from orchestrator.recipe.files import RecipeFiles
    from orchestrator.run.run import run_recipes

    chosen = RecipeFiles(recipes, set_ or (), task or (), limit, sweep or ())
    code = run_recipes(
        chosen, runs_dir, results_dir, make_view, only=only or (), merge=merge, errors_again=retry_errors
    )
    raise typer.Exit(code)


@app.command()
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
) -> None:
    """Show the stages of a recipe: their exact commands, and what is done already. Starts nothing.

    Several recipes are a table: jobs, stages, model loads and GPUs, beside what the benchmark's own scripts do.

    Example: python -m orchestrator plan recipes/qwen2_7b_sft.yaml --task MELD --files
    """
    from orchestrator.cli.plan import print_plans
    from orchestrator.recipe.files import RecipeFiles

    chosen = RecipeFiles(recipes, set_ or (), task or (), limit, sweep or ())
    print_plans(chosen, runs_dir, only or (), merge=merge, with_files=files, as_json=json)


@app.command()
def validate(
    recipes: Recipes,
    task: Tasks = None,
    set_: Set = None,
    sweep: Sweep = None,
    limit: Limit = None,
    runs_dir: RunsDir = RUNS,
) -> None:
    """Check recipes, data, prompts and videos without running anything; shows one prompt per task.

    Example: python -m orchestrator validate recipes/*.yaml
    """
    from orchestrator.cli.validate import validate_recipes
    from orchestrator.recipe.files import RecipeFiles

    validate_recipes(RecipeFiles(recipes, set_ or (), task or (), limit, sweep or ()), runs_dir)


@app.command()
def show(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file.", metavar="[RECIPE]")] = None,
    set_: Set = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of recipe files, for editors.")
    ] = False,
    json: Json = False,
) -> None:
    """Show a recipe fully resolved: bases merged, defaults filled in.

    Example: python -m orchestrator show recipes/qwen2_7b_sft.yaml
    """
    from orchestrator.cli.show import show_recipe

    show_recipe(recipe, set_ or (), schema=schema, as_json=json)


@app.command("ls")
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


@app.command()
def status(
    run: Annotated[
        str | None, typer.Argument(help="Only this run (a recipe's name), and those of its sweeps.", metavar="[RUN]")
    ] = None,
    runs_dir: RunsDir = RUNS,
    json: Json = False,
) -> None:
    """Show how far runs are: every stage's state, read from disk, from any terminal.

    What a run that was killed has left running is ended, and that is said.

    Example: python -m orchestrator status tiny_qwen2_sft
    """
    from orchestrator.cli.status import print_status

    print_status(run, runs_dir, as_json=json)


@app.command()
def convert(
    task: Annotated[str, typer.Option(help="The task; `ls tasks` names them.")],
    toolkit: Annotated[str, typer.Option(help="The toolkit whose format is written.")],
    out: Annotated[str, typer.Option(help="The file to write; - for standard output.", metavar="FILE")],
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "train",
    modality: Annotated[str, typer.Option(help="text or video.")] = "text",
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


@app.command()
def score(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV, TSV, JSON or JSONL with a label and an answer column (.gz, too), or a run's folder.",
            metavar="FILE...",
        ),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(help="The task of each file (repeatable; default: a column `task` names it row by row)."),
    ] = None,
    split: Annotated[str, typer.Option(help="Whose published sizes weight the overall score.")] = "test",
    label_column: Annotated[str | None, typer.Option(help="The column with the true label.")] = None,
    answer_column: Annotated[str | None, typer.Option(help="The column with the model's answer.")] = None,
    data_root: DataRoot = None,
    report: Annotated[
        bool, typer.Option("--report", help="Also precision, recall and F1 by label, and what was taken for what.")
    ] = False,
    json: Json = False,
) -> None:
    """Score answers from anywhere, the benchmark's own way: a results CSV of the release or any file like it.

    Of a run: its folder, a stage's predictions.jsonl, or results/RECIPE.answers.jsonl.gz.
    Several tasks get an overall score besides: the mean weighted by the published sizes, as in the leaderboard.

    Example: python -m orchestrator score MELD_emotion_results.csv --task MELD --report
    """
    from orchestrator.cli.score import print_score

    print_score(files, task or (), split, label_column, answer_column, data_root, report=report, as_json=json)


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(help="Results CSVs, folders of them, patterns, or names of runs.", metavar="RUN..."),
    ],
    baseline: Annotated[str, typer.Option(help="The run that the others are compared with (default: the first).")] = "",
    task: Tasks = None,
    seeds: Annotated[bool, typer.Option("--seeds", help="Put runs together that differ in their seed alone.")] = False,
    flips: Annotated[bool, typer.Option("--flips", help="List samples that only one of two runs got right.")] = False,
    published: Annotated[bool, typer.Option("--published", help="Put the published accuracies beside.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Compare what is not comparable, too, and mark it.")] = False,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="How often to draw, for intervals and p.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of these draws.")] = 0,
    results_dir: ResultsDir = RESULTS,
    data_root: DataRoot = None,
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables in Markdown.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print tables in LaTeX (booktabs).")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a CSV, a row for each task, run and metric.")] = False,
) -> None:
    """Compare runs with a baseline, task by task: differences with intervals, and whether they are chance.

    Runs that answered other utterances, labels, splits or numbers of samples are refused, and it says which.

    Example: python -m orchestrator compare results/qwen2_7b_sft.csv results/llama_3_8b_sft.csv
    """
    from orchestrator.cli.compare import Show, one_form, print_comparison
    from orchestrator.scores.compare.entry import Options

    options = Options(baseline, anyway=anyway, seeds=seeds, draws=draws, seed=seed)
    form = one_form({"json": json, "markdown": markdown, "latex": latex, "csv": csv})
    print_comparison(runs, task or (), results_dir, data_root, options, Show(form, flips, published))


@app.command()
def report(
    results: Annotated[
        list[str] | None,
        typer.Argument(help="Results CSVs, folders of them, patterns, or names of runs.", metavar="RESULTS..."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html"),
    task: Tasks = None,
    baseline: Annotated[
        str, typer.Option(help="The run that the others are compared with (default: the first with most tasks).")
    ] = "",
    title: Annotated[str, typer.Option(help="What stands above it.")] = "Results",
    data_root: Annotated[
        Path | None, typer.Option(help="The folder with the data sets: puts utterances and clips into the page.")
    ] = None,
    video_root: VideoRoot = None,
    columns: Columns = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder for the charts as SVG and PDF, for a paper (extra `figures`).")
    ] = None,
    published: Annotated[
        bool | None,
        typer.Option(help="Published values, too (default: beside runs of the benchmark)."),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="How often to draw, for intervals and p.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of these draws.")] = 0,
    runs_dir: RunsDir = RUNS,
    results_dir: ResultsDir = RESULTS,
) -> None:
    """Write one page that shows runs: leaderboards, charts, confusion, answers. It needs no server and no network.

    It holds true labels, and with --data-root utterances: mind the licences of the data sets before you pass it on.

    Example: python -m orchestrator report results --out report.html
    """
    from orchestrator.cli.report import Chosen, Texts, write_report
    from orchestrator.scores.compare.entry import Options

    compared = Options(baseline, draws=draws, seed=seed)
    chosen = Chosen(results or (), results_dir, runs_dir, task or (), compared, published)
    write_report(out, title, chosen, Texts(data_root, video_root, columns), figures)


@env_app.command("list")
def env_list(json: Json = False) -> None:
    """List the toolkits' environments and their state.

    Example: python -m orchestrator env list
    """
    from orchestrator.cli.env import print_environments

    print_environments(as_json=json)


@env_app.command("build")
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


@env_app.command("check")
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


@data_app.command("check")
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


@data_app.command("download")
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
