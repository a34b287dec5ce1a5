"""Saves a training between its own checkpoints: ``start.py between.py MINUTES PROGRAM.py ARGUMENT...``.

Every so many minutes (0: never), and when it is asked to end with SIGTERM, the training that ``PROGRAM`` does writes a
checkpoint behind the step at hand. It is one more: marked by a file, of no choice of checkpoints, it goes as soon as
there is a newer one, and none of the training's own goes in its place. So what a training leaves in the end does not
depend on these, and programs that are started without this one are as they were.

Not transformers' ``enable_jit_checkpoint``: only its newest versions have it, it saves in the middle of a step (whose
random numbers are drawn already), and processes that hear of SIGTERM at different steps wait for each other.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.inside import start
from orchestrator.inside.trainer_hooks import by_step

MARK = "between-checkpoints.txt"
ENDED = 128 + signal.SIGTERM
GIVEN = "MMLA_BETWEEN"  # minutes and program, for processes started anew
NOTHING, SAVE, END = 0, 1, 2


def _program() -> ModuleType:
    return start.load(Path(os.environ[GIVEN].partition(" ")[2]))


def prepare() -> None:
    """Do what the program itself wants done in every process."""
    if GIVEN not in os.environ:
        os.environ[GIVEN] = " ".join(sys.argv[1:3])
        del sys.argv[:2]
    program = _program()
    if hasattr(program, "prepare"):
        program.prepare()


def main() -> None:
    """Do what the program does, with checkpoints between its own."""
    install(float(os.environ[GIVEN].partition(" ")[0]))
    _program().main()


def keep_workers() -> None:
    """Have data loading processes leave SIGTERM to the training, which torch else ends with an error at once."""
    from torch.utils.data._utils import signal_handling

    usual = signal_handling._set_worker_signal_handlers

    def handlers(*args: Any) -> None:
        usual(*args)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    signal_handling._set_worker_signal_handlers = handlers


def install(minutes: float) -> None:
    """Change transformers' trainer."""
    from transformers import Trainer, TrainerCallback

    keep_workers()
    train = Trainer.train

    class Between(TrainerCallback):  # type: ignore[misc,unused-ignore]
        """Decides behind each step, the same in all processes."""

        def __init__(self) -> None:
            self.saved, self.extra, self.asked = time.monotonic(), False, False
            self.cut = False  # the epoch, by the end of the training

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            due = minutes and time.monotonic() - self.saved >= 60 * minutes
            what = agreed(END if self.asked else SAVE if due else NOTHING, args.device)
            # the training's own checkpoint comes now, or behind the epoch that ends here
            whole_epoch = str(getattr(args.save_strategy, "value", args.save_strategy)) == "epoch" and (
                state.epoch == int(state.epoch)
            )
            own = control.should_save or whole_epoch or state.global_step >= state.max_steps
            if what == END:
                control.should_training_stop = True
                self.cut = not whole_epoch
            self.extra = what != NOTHING and not own
            control.should_save = control.should_save or self.extra

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if self.cut:  # what comes with the end of an epoch would be measured and saved in the middle of it
                control.should_save = control.should_evaluate = control.should_log = False

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            self.saved, self.extra = time.monotonic(), False

    def training(self: Any, *args: Any, **kwargs: Any) -> Any:
        callback = Between()
        self.add_callback(callback)
        self._save_checkpoint = marking(self, self._save_checkpoint, callback)

        def ask(*_: object) -> None:
            callback.asked = True

        before = signal.signal(signal.SIGTERM, ask)
        try:
            done = train(self, *args, **kwargs)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
        if callback.asked and self.state.global_step < self.state.max_steps:
            raise SystemExit(ENDED)
        return done

    Trainer.train = training


def agreed(what: int, device: Any) -> int:
    """The most that any of the processes wants: each has its own clock, and hears of a signal at its own step."""
    from torch import distributed, tensor

    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return what
    found = tensor(what, device=device)
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return int(found)


def marking(trainer: Any, save: Callable[..., Any], callback: Any) -> Callable[..., Any]:
    """A trainer's way to save, which marks what comes between its own checkpoints, and removes what did before."""

    def saved(*args: Any, **kwargs: Any) -> Any:
        settings, limit = trainer.args, trainer.args.save_total_limit
        output = Path(settings.output_dir)
        folder = output / f"checkpoint-{trainer.state.global_step}"
        if settings.should_save:
            if callback.extra:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / MARK).write_text("to go on from, for as long as there is no newer one\n")
            else:
                (folder / MARK).unlink(missing_ok=True)
        if limit:  # those that are marked take no place of others
            settings.save_total_limit = limit + sum((one / MARK).exists() for one in by_step(output))
        try:
            done = save(*args, **kwargs)
        finally:
            settings.save_total_limit = limit
        if settings.should_save:
            for older in by_step(output):
                if older != folder and (older / MARK).exists():
                    shutil.rmtree(older)
        return done

    return saved
