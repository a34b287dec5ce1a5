"""What LLaVA-NeXT's and VideoLLaMA2's launchers have in common, and in part ms-swift's plugin: a video that cannot be
read ends the training at once, and of older checkpoints only what inference needs is kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


class BadSample(BaseException):
    """Not an `Exception`: those the toolkits answer by taking another sample."""


def unreadable_is_fatal(read: Callable[..., Any]) -> Callable[..., Any]:
    """A toolkit's function that reads a video, whose failure the toolkit does not catch."""

    def checked(path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return read(path, *args, **kwargs)
        except Exception as error:
            raise BadSample(f"cannot read the video {path}: {error}") from error

    return checked


def told(fetch: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``__getitem__`` of a toolkit's training set, which says outside of the toolkit what it could not read.

    As an `Exception`: torch's worker processes pass on no others, but die, and then no error names the video.
    """

    def item(dataset: Any, index: Any) -> Any:
        try:
            return fetch(dataset, index)
        except BadSample as error:
            raise RuntimeError(str(error)) from error

    return item


def end_at_bad_videos(module: Any, reader: str) -> None:
    """Have a toolkit's training module, which reads videos with its function ``reader``, end at one that it cannot."""
    setattr(module, reader, unreadable_is_fatal(getattr(module, reader)))
    dataset = module.LazySupervisedDataset
    dataset.__getitem__ = told(dataset.__getitem__)


def drop_states(output: Path, newest: str) -> None:
    """Delete the optimizer's states of all checkpoints but the newest, the only one that a training goes on from."""
    for folder in output.glob("checkpoint-*"):
        if folder.name != newest:
            times = folder.stat()
            (folder / "optimizer.pt").unlink(missing_ok=True)
            for states in folder.glob("global_step*"):  # DeepSpeed's
                shutil.rmtree(states)
            # newer trainers take the folder that was changed last for the newest
            os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))


def keep_what_is_needed(*, saved_twice: bool = False) -> None:
    """Have the trainer save the last step, too, and drop the optimizer's states of all checkpoints but the newest.

    Args:
        saved_twice: the toolkit saves the last step twice, over itself. The states of the one before it are kept, for
            a kill in between leaves no other whole checkpoint.
    """
    from transformers import TrainerCallback, trainer

    class Keep(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= state.max_steps and args.save_strategy == "steps":
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            # the newest is complete: its trainer_state.json is written, before which DeepSpeed waits for all processes
            if args.should_save and not (saved_twice and state.global_step >= state.max_steps):
                drop_states(Path(args.output_dir), f"checkpoint-{state.global_step}")

    trainer.DEFAULT_CALLBACKS.append(Keep)
