"""``convert``: one split of one task in one toolkit's training format."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.cli.table import tell
from orchestrator.data.forms import parse_columns
from orchestrator.data.samples import read_split, split_file
from orchestrator.errors import InputError, Problem, one_of
from orchestrator.machine.files import atomic_open
from orchestrator.prompts.examples import wording_from
from orchestrator.recipe.released import TEMPLATE
from orchestrator.recipe.sections import MODALITIES, Data
from orchestrator.toolkits.registry import trainer
from orchestrator.toolkits.released import layout_of, write_released
from orchestrator.toolkits.sound import hearing


@dataclass(frozen=True)
class Conversion:
    """What is converted, and into what; ``None`` is a recipe's default. ``protocol``: mmla, or released."""

    task: str
    toolkit: str
    split: str = "train"
    modality: str = "text"
    protocol: str = "mmla"
    data_root: Path | None = None
    video_root: str | None = None
    prompt: str | None = None
    columns: str | None = None
    limit: int | None = None

    def writer(self) -> Callable[[TextIO], int]:
        """Read the split; what is returned writes it and returns the number of rows.

        The videos need not be there: only their paths are written. But every sample must name one, where videos are
        asked for: toolkits train on what is left without a word.

        Raises:
            InputError: a name is unknown, the data or the template is wrong.
        """
        root, videos = self.data_root or Path(Data().root), self.video_root or Data().video_root
        task = tasks(root).named(self.task)
        one_of("split", self.split, SPLITS)
        one_of("modality", self.modality, MODALITIES)
        one_of("protocol", self.protocol, ("mmla", "released"))
        write: Callable[..., int]
        writer = trainer(self.toolkit)
        if self.protocol == "released":
            layout = layout_of(writer, self.modality)
            write, template, form = partial(write_released, layout), TEMPLATE, (writer.name, layout.form)
        else:
            if "audio" in self.modality and not any(self.modality in shown for shown in hearing(self.toolkit).values()):
                message = f"no model of {self.toolkit} that is shown {self.modality} is known here"
                raise InputError(message, hint="choose --modality text or video")
            write = partial(writer.write_examples, modality=self.modality)
            template, form = f"mmla/{self.modality}.j2", None
        columns = parse_columns(self.columns, root)
        samples = read_split(task, self.split, root, videos, limit=self.limit, columns=columns)
        if self.modality != "text" and (unnamed := sum(sample.video is None for sample in samples)):
            hint = (
                "fill the file's video column (--columns video=NAME, if it is called otherwise), name with "
                "--video-root the folder where clips of the ids' names lie, or choose --modality text"
            )
            where = str(split_file(task, self.split, root))
            raise InputError(f"{unnamed:,} of {len(samples):,} samples name no video", where, hint)
        wording = wording_from(task, self.split, self.prompt or template, form)
        if self.modality == "text" and (unheard := wording.prompt.unheard(wording.task)):
            raise InputError(unheard)
        return partial(write, map(wording.example, samples))


def convert_split(conversion: Conversion, out: str) -> None:
    """Write a split in a toolkit's format, or as the release does, to a file or to standard output for ``-``.

    Raises:
        InputError: a name is unknown, the data or the template is wrong, or the file cannot be written.
    """
    write = conversion.writer()
    if out == "-":
        write(sys.stdout)
        return
    try:
        with atomic_open(Path(out)) as file:
            rows = write(file)
    except OSError as error:
        raise InputError(Problem(str(error.strerror), str(Path(out)), "give another file with --out")) from None
    tell(f"{rows:,} rows: {Path(out)}", file=sys.stderr)
