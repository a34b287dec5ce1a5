"""What the toolkits' training programs have in common, some of them in part: a video that cannot be read ends the
training at once, of older checkpoints only what inference needs is kept, and a checkpoint is written to its end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
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


def by_step(output: Path) -> list[Path]:
    """The checkpoints in a trainer's output folder, in the order of their steps."""
    found = [path for path in output.glob("checkpoint-*") if path.name.partition("-")[2].isdigit()]
    return sorted(found, key=lambda path: int(path.name.partition("-")[2]))


def date_by_step(output: Path) -> None:
    """Date checkpoints in the order of their steps, a second apart at least, none in the future.

    Newer trainers delete those first that were changed first; after a change of the clock that may be the newest.
    """
    latest = time.time()
    for folder in reversed(by_step(output)):
        at = folder.stat().st_mtime
        if at > latest:
            at = latest
            os.utime(folder, (at, at))
        latest = at - 1


def drop_states(output: Path) -> None:
    """Delete the optimizer's states of all checkpoints but the newest two.

    A training goes on from the newest, and from the one before where a power cut or a full disk damaged that.
    """
    for folder in by_step(output)[:-2]:
        times = folder.stat()
        (folder / "optimizer.pt").unlink(missing_ok=True)
        for states in folder.glob("global_step*"):  # DeepSpeed's
            shutil.rmtree(states)
        # newer trainers take the folder that was changed last for the newest
        os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))


def keep_what_is_needed() -> None:
    """Have the trainer save the last step, too, and drop the optimizer's states of all checkpoints but the newest two.

    A toolkit may save the last step twice, over itself: a kill in between leaves the one before it.
    """
    from transformers import TrainerCallback, trainer

    class Keep(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= state.max_steps and args.save_strategy == "steps":
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            # the newest is complete: its trainer_state.json is written, before which DeepSpeed waits for all processes
            if args.should_save:
                drop_states(Path(args.output_dir))

    trainer.DEFAULT_CALLBACKS.append(Keep)


@contextlib.contextmanager
def held(*numbers: signal.Signals) -> Iterator[None]:
    """Signals that arrive meanwhile act afterwards, as they would have before."""
    arrived: set[int] = set()
    before = {number: signal.signal(number, lambda at, _: arrived.add(at)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: not set by Python; it cannot be set again
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in numbers:
            if number in arrived:
                os.kill(os.getpid(), number)


def finish_checkpoints() -> None:
    """Have the trainer write a checkpoint to its end before it obeys SIGTERM, for which a stopped run gives it time.

    Python's own answer to SIGTERM is to end at once. Data loading processes get the signal, too, and torch answers
    their end (SIGCHLD) with an error in whatever is done just then.
    """
    from transformers import Trainer

    train = Trainer.train

    def training(self: Any, *args: Any, **kwargs: Any) -> Any:
        save = self._save_checkpoint  # the toolkit's own, which may write more than that of transformers

        def saved(*args: Any, **kwargs: Any) -> Any:
            with held(signal.SIGTERM, signal.SIGCHLD):
                if self.args.should_save:
                    date_by_step(Path(self.args.output_dir))
                return save(*args, **kwargs)

        self._save_checkpoint = saved
        return train(self, *args, **kwargs)

    Trainer.train = training
