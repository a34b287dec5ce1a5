"""``convert``: one split of one task in one toolkit's training format."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO, cast

from orchestrator import toolkits
from orchestrator.benchmark.released import TEMPLATE
from orchestrator.benchmark.task import task_named
from orchestrator.data.forms import parse_columns
from orchestrator.data.samples import read_split, split_file
from orchestrator.errors import InputError, Problem, one_of
from orchestrator.prompts.examples import wording_from
from orchestrator.recipe.sections import Data
from orchestrator.toolkits._released import layout_of, write_released


def convert_split(
    task_name: str,
    split: str,
    toolkit_name: str,
    modality: str,
    data_root: Path | None,
    video_root: str | None,
    template: str | None,
    limit: int | None,
    out: str,
    protocol: str = "mmla",
    columns: str | None = None,
) -> None:
    """Write a split in a toolkit's format, or as the release does, to a file or to standard output for ``-``.

    The videos need not be there: only their paths are written. But every sample must name one, where videos are asked
    for: toolkits train on what is left without a word.

    Raises:
        InputError: a name is unknown, the data or the template is wrong.
    """
    task = task_named(task_name)
    one_of("split", split, ("train", "dev", "test"))
    one_of("modality", modality, ("text", "video"))
    one_of("protocol", protocol, ("mmla", "released"))
    layout = layout_of(toolkit_name, modality) if protocol == "released" else None
    toolkit = None if layout else toolkits.get(toolkit_name)
    defaults = Data()
    root = data_root or Path(defaults.root)
    videos = video_root or defaults.video_root
    samples = read_split(task, split, root, videos, limit=limit, columns=parse_columns(columns))
    if modality == "video" and (unnamed := sum(sample.video is None for sample in samples)):
        hint = (
            "fill the file's video column (--columns video=NAME, if it is called otherwise), name with --video-root "
            "the folder where clips of the ids' names lie, or choose --modality text"
        )
        where = str(split_file(task, split, root))
        raise InputError(Problem(f"{unnamed:,} of {len(samples):,} samples name no video", where, hint))
    own = TEMPLATE if layout else f"mmla/{modality}.j2"
    wording = wording_from(task, split, template or own, layout.name if layout else None)
    examples = (wording.example(sample) for sample in samples)

    def write(file: TextIO) -> int:
        if toolkit is None:
            assert layout is not None
            return write_released(layout, examples, file)
        return toolkit.write_examples(examples, file, modality)

    if out == "-":
        write(sys.stdout)
        return
    path = Path(out)
    # written beside and renamed: a file that exists is a file that is complete
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            rows = write(file)
        temporary.replace(path)
    except OSError as error:
        raise InputError(Problem(cast("str", error.strerror), str(path), "give another file with --out")) from None
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{rows:,} rows: {path}", file=sys.stderr)
