"""Starting what lies in a toolkit's ``inside/``: command lines, the environment of its processes, what it imports."""

from __future__ import annotations

import ast
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.environments.environment import Environment
from orchestrator.inside import between, start
from orchestrator.machine.meaning import imports
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.sections import Resources
from orchestrator.toolkits.base import Command
from orchestrator.toolkits.reporting import reporting_services
from orchestrator.toolkits.services import HUB, services_of, speaks_to_hub

# several processes on a CPU, which DeepSpeed does not find by itself
ON_CPU = {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}


def process_environment(recipe: Recipe, device: str) -> dict[str, str]:
    """The environment variables of any of a toolkit's processes on "cpu" or "cuda"; the recipe's own come last."""
    env = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if device == "cpu":
        # threads that spin while they wait slow small models tenfold when another process wants the core
        env |= {"CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
    if recipe.model.init is not None or Path(recipe.model.path or "").expanduser().is_dir():
        env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return env | dict(recipe.resources.env)


def torchrun(resources: Resources) -> tuple[str, ...]:
    """The arguments of Python under which a program runs in several processes, of this machine or of several.

    Of several machines each starts this line; where they meet is known in the allocation alone, and whoever starts them
    tells it in torchrun's own variables (`launch.slurm.node`).
    """
    several = (f"--nnodes={resources.nodes}", "--rdzv_backend=c10d")
    nodes = several if resources.nodes > 1 else ("--standalone",)
    return ("-m", "torch.distributed.run", *nodes, f"--nproc_per_node={resources.processes_per_node}")


def saving_between(argv: Sequence[str], minutes: float) -> tuple[str, ...]:
    """A command line that starts a training, with checkpoints between its own, see `inside.between`."""
    at = argv.index(str(start.HERE)) + 1
    return (*argv[:at], between.__file__, f"{minutes:g}", *argv[at:])


# of `orchestrator/inside`, what changes no weights and no answers
WITHOUT_MEANING = frozenset(start.HERE.with_name(f"{name}.py") for name in ("clock", "reading", "recall"))


@cache
def sources_of(*programs: Path) -> tuple[Path, ...]:
    """Some programs, and all that they import of their own toolkit's package and of this one and that has a meaning."""
    found = list(programs)
    # what starts programs makes these known without their `__init__`
    bare = {folder for file in (start.HERE, *programs) for folder in start.packages_above(file)}
    for file in found:
        new = (path for path in dict.fromkeys(_imported(file, bare)) if path not in WITHOUT_MEANING)
        found += [path for path in new if path not in found]
    return tuple(found)


def _imported(file: Path, bare: Container[Path]) -> Iterator[Path]:
    """The files of its own package, and of this one, that a file's imports run."""
    roots = {above[0].name: above[0].parent for one in (start.HERE, file) if (above := start.packages_above(one))}
    own = [folder.name for folder in start.packages_above(file)]
    for node in imports(file):
        names = [[alias.name] for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = (
                [*own[: len(own) + 1 - node.level], *filter(None, [node.module])] if node.level else [node.module or ""]
            )
            names = [base, *([*base, *name] for name in names)]
        for name in names:
            parts = ".".join(name).split(".")
            if parts[0] not in roots:
                continue
            path = roots[parts[0]].joinpath(*parts)
            packages = (folder for folder in (path, *path.parents[: len(parts) - 1]) if folder not in bare)
            yield from filter(Path.is_file, (*(folder / "__init__.py" for folder in packages), path.with_suffix(".py")))


class Programs:
    """A part of a toolkit whose programs lie in ``inside/``, beside its own module.

    A subclass says where that is, which program each kind of stage starts with, and which variables of a user's shell
    would send the toolkit down other paths.
    """

    inside: Path
    starts: Mapping[str, str] = {}
    unset: tuple[str, ...] = ()

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.name = environment.name

    def line(self, program: str, *arguments: str) -> tuple[str, ...]:
        """What Python is given to run a program, alone or beneath torchrun."""
        return (str(start.HERE), str(self.inside / f"{program}.py"), *arguments)

    def configured(self, program: str, config: Mapping[str, Any], env: Mapping[str, str]) -> Command:
        """The command of a program that reads a JSON file; of several that share the requests each has its own."""
        name = f"config.{config['shard'][0]}.json" if config.get("shard") else "config.json"
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        return self.command(self.line(program, name), env, {name: text})

    def command(
        self,
        line: Sequence[str],
        env: Mapping[str, str],
        files: Mapping[str, str] | None = None,
        nodes: int = 1,
        reports: Sequence[str] = (),
    ) -> Command:
        """The command of a line for the environment's Python.

        Args:
            line: what Python is given.
            env: added to the user's environment.
            files: text by name.
            nodes: how many machines are to start it.
            reports: whom it reports to (`train.report_to`).
        """
        known = services_of(self.inside.parent).items()
        speaking = tuple(service for name, service in known if name != HUB or speaks_to_hub(env))
        speaking += reporting_services(reports)
        return Command((str(self.environment.python), *line), env, files or {}, self.unset, nodes, speaking)

    def sources(self, kind: str) -> Sequence[Path]:
        """See `Part.sources`: the program that a kind of stage starts with, and what that imports."""
        return sources_of(self.inside / f"{self.starts[kind]}.py") if kind in self.starts else ()
