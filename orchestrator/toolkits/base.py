"""What a toolkit offers: two small protocols. Nothing outside a toolkit's own folder knows its flags or files.

A toolkit is a package with a class `Engine`, which answers requests, and where it can train a class `Trainer`, each
made with the environment that its programs run in; what else it knows lies beside them in YAML (``failures.yaml``,
``released.yaml``). What toolkits share that train with the Hugging Face trainer is in ``hf_trainer.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from orchestrator.environments.environment import Environment
from orchestrator.prompts.examples import Example
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.services import Service

# the kind of program, of those of `Part.sources`, that trains in place of ``train`` where there is sound
TRAIN_AUDIO = "train_audio"
Say = Callable[[str], None]  # told what a user should know, a sentence at a time


def ignore(_: str) -> None:
    """A `Say` for where nobody listens."""


@dataclass(frozen=True)
class Command:
    """A process to start in a stage's folder.

    Attributes:
        argv: the program and its arguments.
        env: added to the user's environment.
        files: text by name, written before it starts.
        unset: names taken from the user's environment.
        nodes: how many machines of an allocation start it, each once.
        services: what it speaks to; it gets their keys, and no other secret of the user's environment.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    nodes: int = 1
    services: tuple[Service, ...] = ()


@dataclass(frozen=True)
class TrainInputs:
    """What training needs besides the recipe. Paths are as the process sees them from its stage folder.

    Attributes:
        model: hub id, or path of a model folder.
        data: path of the folder with the converted splits.
        device: ``cpu`` or ``cuda``.
        resume: path of the checkpoint to go on from.
    """

    model: str
    data: str
    device: str
    resume: str | None = None


@dataclass(frozen=True)
class MeasureInputs:
    """What measuring samples needs besides the recipe. Paths are as the process sees them from its folder.

    Attributes:
        model: hub id, or path of a model folder.
        files: by name, files in the training format, and whether each is shown as in training (else as in inference).
        out: where the lengths go, by name a list.
    """

    model: str
    files: Mapping[str, tuple[str, bool]]
    out: str


@dataclass(frozen=True)
class Progress:
    """How far a process is: steps or samples done of a total, and the loss."""

    done: int
    total: int
    loss: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk: its folder, written after so many optimizer steps."""

    step: int
    path: Path


@dataclass(frozen=True)
class Layout:
    """One kind of file that the benchmark's authors released, see `released.write_released`.

    Attributes:
        form: the name of the prompt form in it.
        record: makes the row of a number, a question with its placeholder, and the example.
        neutralise: what the toolkit would act on in a question is made harmless; the released files hold none of it.
        media: the placeholder in front of a question about a video.
        lines: JSON lines; else a list, indented by four.
    """

    form: str
    record: Callable[[int, str, Example], dict[str, Any]]
    neutralise: Callable[[str], str]
    media: str = ""
    lines: bool = False


class Part(Protocol):
    """What an engine and a trainer have in common: programs, and the environment that they run in."""

    name: str
    environment: Environment

    def problems(self, recipe: Recipe) -> Sequence[str]:
        """What of a recipe it cannot do, in words for the user: an engine in inference, a trainer in training."""

    def sources(self, kind: str) -> Sequence[Path]:
        """The programs that a kind of stage (init, train, merge, infer) starts with; its key holds their meaning."""


class Engine(Part, Protocol):
    """Answers requests with a model and its checkpoints."""

    history: bool  # whether it can give turns before the question (`prompt.history`)
    generator: str  # the program that generates the answers, as the results name it

    def infer(self, recipe: Recipe, config: Mapping[str, Any]) -> Command:
        """The inference command: a program that answers as ``orchestrator/inside/loop.py``, with this configuration."""

    def weights_problems(self, folder: Path) -> Sequence[str]:
        """What is missing or damaged of what inference loads from a checkpoint or a model's folder."""


class Trainer(Part, Protocol):
    """Trains models: maps a stage to files and a command, and reads its outputs back."""

    suffix: str
    saves_between: bool  # whether `inside.between` can save its trainings (`train.save_minutes`)
    training_video: bool  # whether training can show videos otherwise than inference (`video.training`)
    layouts: Mapping[str, Layout]  # of the files that the benchmark's authors released for it, by modality

    def write_examples(self, examples: Iterable[Example], file: TextIO, modality: str) -> int:
        """Write a split in the toolkit's training format, streaming; returns the number of rows."""

    def dataset_files(self, splits: Sequence[str], modality: str, *, system: bool) -> Mapping[str, str]:
        """Files (name to text) that the toolkit wants beside the splits ``<split><suffix>``.

        ``system``: whether the examples have a system message.
        """

    def init(self, recipe: Recipe, corpus: str) -> Command:
        """The command that makes a model from scratch in ``model/`` (for models with ``init``)."""

    def train(self, recipe: Recipe, inputs: TrainInputs) -> Command:
        """The training command."""

    def lengths(self, recipe: Recipe, inputs: MeasureInputs) -> Command | None:
        """The command that says how many tokens samples are (`inside.lengths`); ``None`` where the toolkit cuts none.

        Its program is part of no key: it changes neither weights nor answers.
        """

    def merge(self, recipe: Recipe, model: str, adapter: str) -> Command:
        """The command that writes merged weights to ``merged/``."""

    def reports(self, recipe: Recipe, folder: Path) -> Sequence[str]:
        """Whom a training in that folder reports to (`train.report_to`), and where what is written here lies."""

    def resumable(self, folder: Path, say: Say = ignore) -> str | None:
        """The newest whole checkpoint of a stopped training; removes those that are not, and says which and why."""

    def train_progress(self, folder: Path, begin: int = 0) -> Progress | None:
        """How far a training is, step by step, read from what the toolkit says and logs by itself.

        Args:
            folder: the stage's.
            begin: where in the stage's log the attempt begins whose steps are meant, in bytes.

        Returns:
            ``None`` before the first step.
        """

    def train_problems(self, folder: Path, log: str, rows: int) -> Sequence[str]:
        """Why a training on so many rows that exited with status 0 did not succeed; empty when it did."""

    def checkpoints(self, folder: Path) -> Sequence[Checkpoint]:
        """The checkpoints of a training that inference can use, all their files whole, by step."""

    def damaged(self, folder: Path) -> Mapping[int, str]:
        """Why the other checkpoints of a training cannot be used, by step: "model.safetensors is empty"."""

    def evaluations(self, folder: Path) -> Sequence[tuple[int, float]]:
        """(optimizer step, accuracy as a fraction) of every evaluation during a training, by step."""

    def losses(self, folder: Path) -> Sequence[tuple[int, float]]:
        """(optimizer step, training loss) of every line that the toolkit logged, by step."""
