"""The sub-commands around results, one thin function each. Heavy imports stay inside, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Columns, DataRoot, Json, ResultsDir, RunsDir, Tasks, VideoRoot
from orchestrator.run import RESULTS, RUNS


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
