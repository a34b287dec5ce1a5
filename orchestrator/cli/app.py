"""The command line: which sub-commands there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from orchestrator.cli import commands, results_commands, running_commands, upkeep_commands

app = typer.Typer(
    name="orchestrator",
    help="Run the MMLA benchmark (zero-shot, SFT, instruction tuning) over fine-tuning toolkits, from one recipe file."
    "\n\nStart with: python -m orchestrator run recipes/demo.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        from orchestrator.machine.checkout import git_commit

        try:
            number = version("mmla-orchestrator")
        except PackageNotFoundError:  # run from a folder that Python was told of
            number = "(not installed)"
        commit = git_commit()
        typer.echo(f"mmla-orchestrator {number}{f' ({commit})' if commit else ''}")
        raise typer.Exit


@app.callback()
def _main(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=lambda asked: _version(asked=asked), help="Show which one this is."
        ),
    ] = False,
) -> None:
    pass


def _group(name: str, about: str, example: str) -> typer.Typer:
    text = f"{about}\n\nExample: python -m orchestrator {example}"
    group = typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


env_app = _group("env", "The toolkits' environments, built from third_party/NAME/.", "env list")
data_app = _group("data", "The benchmark's data: get it, and see whether it is sound.", "data check --data-root ~/MMLA")

# in the order of --help
COMMANDS: dict[str, Callable[..., None]] = {
    "run": commands.run,
    "plan": commands.plan,
    "validate": commands.validate,
    "show": commands.show,
    "ls": commands.list_,
    "status": running_commands.status,
    "logs": running_commands.logs,
    "cancel": running_commands.cancel,
    "convert": commands.convert,
    "score": results_commands.score,
    "compare": results_commands.compare,
    "report": results_commands.report,
    "clean": upkeep_commands.clean,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
env_app.command("list")(upkeep_commands.env_list)
env_app.command("build")(upkeep_commands.env_build)
env_app.command("check")(upkeep_commands.env_check)
data_app.command("check")(upkeep_commands.data_check)
data_app.command("repair")(upkeep_commands.data_repair)
data_app.command("download")(upkeep_commands.data_download)
