"""Prompt templates -> text. One template serves training and inference, so that the two cannot differ.

Templates are Jinja, sandboxed and strict: a variable that does not exist is an error before anything runs. What a
speaker says is a value, never a template.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.benchmark.task import Task
from orchestrator.errors import InputError, Problem, did_you_mean
from orchestrator.machine.checkout import PROMPTS
from orchestrator.recipe.paths import within_prompts

if TYPE_CHECKING:
    from jinja2 import Environment, Template, nodes

VARIABLES = {
    "text": "what the speaker says",
    "task": "the dimension in words (dialogue act)",
    "labels": "the list of candidate labels, in order",
    "dataset": "the data set's name",
    "dimension": "the dimension's name (dialogue_act)",
    "language": "en or zh",
}

_COPY = "copy that file here, or name the file itself on the command line: --set prompt.template=FILE"
MOST_BYTES = 1_000_000

# two texts that differ in every word and letter, and in nothing else that a template could go by
_UNLIKE = ("we all saw him go", "no one let her in")


class Prompt:
    """A prompt template, read and checked once. ``digest``: SHA-256 (hex) of its source and of all it includes."""

    def __init__(self, path: Path, digest: str, template: Template):
        self.path, self.digest, self._template = path, digest, template

    def render(self, task: Task, *, text: str) -> str:
        """The prompt for one utterance of a task.

        Raises:
            InputError: the template fails (with file:line).
        """
        try:
            prompt = self._template.render(
                text=text, task=task.word, labels=task.labels, dataset=task.dataset, dimension=task.dimension,
                language=task.language,
            )  # fmt: skip
            prompt.encode()  # half a surrogate pair, which no tokenizer takes: data and recipes hold none
        except Exception as error:  # the template is the user's program: whatever it raises is an input error
            raise InputError(f"the template fails: {error}", where=_line_of(error, self.path)) from error
        return prompt

    def unheard(self, task: Task) -> Problem | None:
        """What is wrong where the prompt of a task is the same whatever the speaker says; ``None`` where it is not.

        Seen in what is rendered, not in the source: a macro, a filter or an included file may lose the text, too.
        """
        try:
            if len({self.render(task, text=text) for text in _UNLIKE}) > 1:
                return None
        except InputError:
            return None  # told where a sample's own prompt is rendered
        hint = "write {{ text }} where the speaker's words belong"
        return Problem(f"the prompt of {task.name} is the same whatever the speaker says", str(self.path), hint)

    def answer(self, task: Task, label: str) -> str:
        """The answer that a model is trained to give: ``dialogue act: question``."""
        return f"{task.word}: {label}"


def load(template: str) -> Prompt:
    """A template by its name in ``prompts/`` (``mmla/text.j2``) or by the path of a file of one's own.

    Raises:
        InputError: it is missing, is no valid template or uses an unknown variable (with file:line).
    """
    try:
        shipped = PROMPTS / template
        path = shipped if within_prompts(template) and shipped.is_file() else Path(template).absolute()
        found, state = path.is_file(), path.stat()
        changed, size = state.st_mtime_ns, state.st_size
    except (OSError, ValueError):
        found, changed, size = False, 0, 0
    if not found:
        known = sorted(str(file.relative_to(PROMPTS)) for file in PROMPTS.rglob("*.j2"))
        hint = did_you_mean(template, known) or f"in {PROMPTS}: {', '.join(known)}; or give the path of a file"
        raise InputError(f"no prompt template `{template}`", hint=hint)
    if size > MOST_BYTES:
        raise InputError(f"this is no prompt template: it holds {size:,} bytes", str(path))
    return _load(path, changed)


@lru_cache(maxsize=32)
def _load(path: Path, _changed: int) -> Prompt:
    """Compiled once per content: planning all recipes asks for the same two templates hundreds of times."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=False,
        loader=jinja2.FileSystemLoader([path.parent, PROMPTS]), auto_reload=False,
    )  # fmt: skip
    # a link that leads elsewhere would send a text that its author has never seen
    homes = [path.parent.resolve(), PROMPTS.resolve()]
    problems: list[Problem] = []
    sources = _sources(environment, path, homes, problems)
    if problems:
        raise InputError(problems)
    for name in sources:  # now, and never again: what is rendered is what the digest was made of
        environment.get_template(name)
    digest = hashlib.sha256("\0".join(sources.values()).encode()).hexdigest()
    return Prompt(path, digest, environment.get_template(path.name))


def _sources(environment: Environment, path: Path, homes: Sequence[Path], problems: list[Problem]) -> dict[str, str]:
    """The text of a template and of all it includes by name, in the order found; adds what is wrong with each.

    None may lie outside the folders ``homes``, wherever links lead.
    """
    import jinja2
    from jinja2 import meta, nodes

    queue: list[tuple[Path, str]] = [(path, path.name)]
    seen: set[str] = set()
    sources: dict[str, str] = {}
    while queue:
        user, name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        try:
            assert environment.loader is not None
            source, file, _ = environment.loader.get_source(environment, name)
            if not any(Path(file or name).resolve().is_relative_to(home) for home in homes):
                problems.append(Problem("is a link to a file of another folder", str(file or name), _COPY))
                continue
            tree = environment.parse(source, name)
            environment.compile(source, name)  # some errors (an unknown filter) show only here
        except jinja2.TemplateNotFound:
            problems.append(Problem(f"includes `{name}`, which is not beside it nor in {PROMPTS}", where=str(user)))
            continue
        except jinja2.TemplateSyntaxError as error:
            where = f"{file or path}:{error.lineno}"
            problems.append(Problem(f"not a valid template: {error.message}", where=where))
            continue
        except (UnicodeDecodeError, OSError) as error:
            problems.append(Problem(f"cannot be read: {error}", where=str(user)))
            continue
        sources[name] = source
        here = Path(file or name)
        problems += _undefined(tree, meta.find_undeclared_variables(tree) - environment.globals.keys(), here)
        for included in meta.find_referenced_templates(tree):
            if included is None:
                line = next(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))).lineno
                message = "includes a file whose name is computed: name it plainly, so that its text can be hashed"
                problems.append(Problem(message, where=f"{here}:{line}"))
            else:
                queue.append((here, included))
    return sources


def _undefined(tree: nodes.Template, names: set[str], path: Path) -> list[Problem]:
    from jinja2 import nodes

    problems = []
    for node in tree.find_all(nodes.Name):
        if node.name in names and node.name not in VARIABLES:
            hint = f"{did_you_mean(node.name, VARIABLES)} known: {', '.join(VARIABLES)}".strip()
            problems.append(Problem(f"unknown variable `{node.name}`", where=f"{path}:{node.lineno}", hint=hint))
    return list(dict.fromkeys(problems))


def _line_of(error: BaseException, path: Path) -> str:
    """file:line of the innermost template line in a traceback (Jinja maps its frames to template lines)."""
    found: Any = path
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.endswith(path.suffix) and not name.endswith(".py"):
            found = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return str(found)
