"""Samples that are longer than ``train.max_length``: `train.on_too_long`, before anything is trained or asked.

Toolkits cut such samples in training, answers first, or refuse them when their turn comes. A sample's length is that of
prompt and answer, as its toolkit encodes it in training; it counts alike where the sample is trained on and where it is
asked. Lengths are kept in the stage's folder, and measured again only where what is measured has changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from orchestrator.data.samples import file_digest
from orchestrator.errors import InputError, StageError
from orchestrator.machine.files import atomic_write, digest, read_json, write_json
from orchestrator.plan.commands import KEPT, model_path
from orchestrator.plan.identity import sizes_of
from orchestrator.plan.plan import Stage
from orchestrator.prompts.examples import examples_of
from orchestrator.run.stages.context import AGAIN, Context
from orchestrator.run.stages.convert import order_of
from orchestrator.toolkits.base import Command, MeasureInputs
from orchestrator.toolkits.formats import without_rows

FOLDER, OUT, MEASURED = "lengths", "out.json", "measured.json"
ASKED = "asked_"  # before the name of a split that is asked
MOST_NAMED = 5

Tokens = dict[str, int]  # by ``<task>/<sample id>``


def training_too_long(context: Context, stage: Stage, converted: Stage, splits: Sequence[str]) -> dict[str, Tokens]:
    """What of the converted splits is too long, by split; looks at what will be asked afterwards, too.

    Raises:
        StageError: something is too long and `train.on_too_long` is fail, or nothing is left to train on.
    """
    recipe, suffix = context.recipe, context.plan.trainer.suffix
    if not _measures(context):
        return {}
    names = {split: order_of(context, split) for split in splits}
    files = {split: converted.folder / f"{split}{suffix}" for split in splits}
    clips = {}
    later = [recipe.inference.split, *(["dev"] if recipe.select.strategy == "dev_accuracy" else [])]
    for split in dict.fromkeys(later):
        with contextlib.suppress(InputError):  # what will be asked need not be here yet, if a part alone is run
            name = f"{ASKED}{split}"
            names[name], files[name], clips[name] = _asked(context, stage.folder, split)
    found = _too_long(context, stage, stage.folder, files, names, clips)
    _judge(context, stage.folder, found, names)
    for split, tokens in found.items():
        if tokens and len(tokens) == len(names[split]):
            message = f"not one of {len(tokens):,} samples of {_words(split)} is within train.max_length"
            raise StageError(f"{message} ({recipe.training.max_length:,} tokens)\n    raise it")
    return {split: tokens for split, tokens in found.items() if tokens and split in splits}


def asked_too_long(context: Context, stage: Stage, folder: Path, split: str) -> Tokens:
    """What of a split that is about to be asked is too long; nothing where nothing was trained.

    Raises:
        StageError: something is, and `train.on_too_long` is fail.
    """
    if context.recipe.train is None or not _measures(context):
        return {}
    name = f"{ASKED}{split}"
    names, file, clips = _asked(context, folder, split)
    found = _too_long(context, stage, folder, {name: file}, {name: names}, {name: clips})
    _judge(context, folder, found, {name: names})
    return found.get(name, {})


def keep_the_rest(context: Context, stage: Stage, converted: Stage, too_long: Mapping[str, Tokens]) -> None:
    """Where `train.on_too_long` is skip: the converted files without what is too long, which the training reads."""
    if context.recipe.training.on_too_long != "skip":
        return
    folder, suffix = stage.folder / KEPT, context.plan.trainer.suffix
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in sorted(file for file in converted.folder.iterdir() if file.is_file() and file.suffix[:5] == ".json"):
        if path.name == "stage.json":
            continue
        text, left_out = path.read_text("utf-8"), too_long.get(path.stem, {}) if path.suffix == suffix else {}
        if left_out:
            names = order_of(context, path.stem)
            text = without_rows(text, suffix, {at for at, name in enumerate(names) if name in left_out})
        atomic_write(folder / path.name, text)


def _measures(context: Context) -> Command | None:
    """How the toolkit measures samples, with no file to measure; ``None`` where it cuts none."""
    return context.plan.trainer.lengths(context.recipe, MeasureInputs("", {}, OUT))


def _asked(context: Context, folder: Path, split: str) -> tuple[list[str], Path, list[int]]:
    """What a split asks, with the answers: what stands in the rows of a file in the training format, and its videos.

    These by their sizes: what was measured for a training is known to an inference, unless its videos are others.
    """
    recipe, trainer, usable = context.recipe, context.plan.trainer, context.plan.bad_videos.usable
    examples = list(chain.from_iterable(examples_of(recipe, task, split, usable) for task in context.job.tasks))
    path = folder / FOLDER / f"{ASKED}{split}{trainer.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        trainer.write_examples(examples, file, recipe.modality)
    names = [f"{example.sample.task}/{example.sample.id}" for example in examples]
    video = recipe.shows_clips
    return names, path, sizes_of(example.sample.video for example in examples if video and example.sample.video)


def _too_long(
    context: Context,
    stage: Stage,
    folder: Path,
    files: Mapping[str, Path],
    names: Mapping[str, Sequence[str]],
    clips: Mapping[str, Sequence[int]],
) -> dict[str, Tokens]:
    """By file, the samples over `train.max_length`.

    Raises:
        StageError: the program that measures failed.
    """
    own = folder / FOLDER
    own.mkdir(parents=True, exist_ok=True)
    limit = context.recipe.training.max_length
    model = model_path(context.plan, stage, own)
    paths = {name: (os.path.relpath(path, own), not name.startswith(ASKED)) for name, path in files.items()}
    # whatever files there are, and wherever they and the model lie
    plain = _measures(context)
    how = digest([dict(plain.files), dict(plain.env)] if plain else [])
    marks = {
        name: digest([how, file_digest(path), paths[name][1], list(clips.get(name, ()))])
        for name, path in files.items()
    }
    trained = stage.need("train")
    known = _known(trained.folder / FOLDER if trained else own) | _known(own)
    todo = {name: paths[name] for name, mark in marks.items() if mark not in known}
    if todo:
        known |= {marks[name]: tokens for name, tokens in _measure(context, own, model, todo).items()}
        write_json(own / MEASURED, {mark: known[mark] for mark in marks.values()})
    found: dict[str, Tokens] = {}
    for name, mark in marks.items():
        if len(known[mark]) != len(names[name]):
            counts = f"{len(known[mark]):,} lengths of {len(names[name]):,} samples, in {own}"
            raise StageError(f"{counts}\n    rm -r {own}, and run the same command again")
        pairs = zip(names[name], known[mark], strict=True)
        found[name] = {sample: tokens for sample, tokens in pairs if tokens is not None and tokens > limit}
    return found


def _known(own: Path) -> dict[str, list[int | None]]:
    """The lengths that a folder holds, by what was measured how."""
    found = read_json(own / MEASURED)
    return found if isinstance(found, dict) else {}


def _measure(
    context: Context, own: Path, model: str, todo: Mapping[str, tuple[str, bool]]
) -> dict[str, list[int | None]]:
    command = context.plan.trainer.lengths(context.recipe, MeasureInputs(model, todo, OUT))
    assert command is not None
    context.say("measures how many tokens the samples are")
    (own / OUT).unlink(missing_ok=True)
    context.launcher.run(
        [command],
        own,
        environment=context.plan.trainer.environment,
        say=context.say,
        stop=context.stop,
        grace=context.recipe.resources.grace_seconds,
    )
    found = read_json(own / OUT)
    if not isinstance(found, dict) or found.keys() != todo.keys():
        raise StageError(f"the lengths of the samples are not in {own / OUT}\n{AGAIN}it measures them again")
    return found


def _judge(context: Context, folder: Path, found: Mapping[str, Tokens], names: Mapping[str, Sequence[str]]) -> None:
    """Say what is too long; refuse it where `train.on_too_long` is fail."""
    train = context.recipe.training
    counts = [
        f"{len(tokens):,} of {len(names[split]):,} of {_words(split)}" for split, tokens in found.items() if tokens
    ]
    everything = {f"{name} ({_words(split)})": size for split, tokens in found.items() for name, size in tokens.items()}
    if not everything:
        return
    listing = folder / FOLDER / "too_long.json"
    write_json(listing, {split: tokens for split, tokens in found.items() if tokens})
    longest = max(everything.values())
    first = sorted(everything.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_NAMED]
    what = f"samples are longer than train.max_length ({train.max_length:,} tokens): {', '.join(counts)}"
    if train.on_too_long == "skip":
        named = ", ".join(f"{name} {size:,}" for name, size in first)
        context.say(f"{what}; they are left out (train.on_too_long: skip), the longest {named}; all of them: {listing}")
        return
    listed = "".join(f"\n    - {name}: {size:,} tokens" for name, size in first)
    more = f"\n    and {len(everything) - len(first):,} more: {listing}"
    lower = ", lower video.frames or video.max_pixels" if context.recipe.shows_clips else ""
    raise StageError(
        f"{what}{listed}{more if len(everything) > len(first) else ''}\n"
        f"    what to do: raise train.max_length to {longest}{lower}, or leave them out with train.on_too_long: skip"
    )


def _words(split: str) -> str:
    return f"the {split.removeprefix(ASKED)} split" + (" that is asked" if split.startswith(ASKED) else "")
