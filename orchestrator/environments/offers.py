"""What a toolkit offers at the versions that are installed: what it calls things, what its families of models take.

The table is made inside the environment when that is built (`build`), and lies in it. A copy of it, ``offers.yaml`` in
the toolkit's folder, serves where the environment is not built. Each says which versions it was made with
(``made_with``): of others it says nothing, so whoever pins other versions is not told what holds for ours.
``broken.yaml`` beside it lists by hand what the toolkit offers and what does not work, for some versions likewise.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from orchestrator.checked_yaml.files import load
from orchestrator.checked_yaml.section import Section
from orchestrator.inside import start
from orchestrator.machine.environ import clean_environment

COPY, BUILT, BROKEN = "offers.yaml", "offers.json", "broken.yaml"
PROGRAM = Path("inside", "offers.py")  # in the folder of a toolkit's code

Names = tuple[str, ...]


class Offers(Section):
    """A toolkit's table. Fields that a toolkit has no use for are empty.

    Attributes:
        made_with: the versions that it holds for, as a lock writes them.
        model_type: types of models, where `model.template` begins with one.
        template: chat templates.
        video: those that take a video.
        video_fails: those that say so and fail.
        audio: those that take a sound.
        media: by type of the models that take more than text: their chat templates.
        lacks: by type: packages that it needs and that were not there, or too old.
        video_lacks: by chat template: modules without which it takes no video.
        report_to: whom a training may report to.
    """

    made_with: Names = Field(min_length=1)
    model_type: Names = ()
    template: Names = ()
    video: Names = ()
    video_fails: Names = ()
    audio: Names = ()
    media: dict[str, Names] = Field(default_factory=dict)
    lacks: dict[str, Names] = Field(default_factory=dict)
    video_lacks: dict[str, Names] = Field(default_factory=dict)
    report_to: Names = ()


class Broken(Section):
    """Families that a toolkit lists and that do not work.

    Attributes:
        names: as `model.template` has them.
        modality: what of `data.modality` does not work.
        why: the reason, in words for the user.
        instead: what to do.
    """

    names: tuple[str, ...] = Field(min_length=1)
    modality: tuple[str, ...] = Field(min_length=1)
    why: str
    instead: str


class BrokenFile(Section):
    """What ``broken.yaml`` holds."""

    made_with: tuple[str, ...] = Field(min_length=1)
    families: tuple[Broken, ...]


class Installed:
    """What an environment holds, or where it is to be built what its lock says; nothing is started.

    Args:
        venv: the folder of the environment.
        lock: the file of its packages.
        ready: whether it is built from that.
    """

    def __init__(self, venv: Path, lock: Path, *, ready: bool):
        self.venv, self.lock, self.ready = venv, lock, ready

    def all(self, requirements: Sequence[str]) -> bool:
        """Whether these are all there in just these versions, each written ``name==version``."""
        return all(map(self._exactly, requirements))

    def has(self, module: str) -> bool:
        """Whether there is a module of that name, or a package that is called like it."""
        if self.ready:
            return any(True for end in ("", ".py") for _ in self.venv.glob(f"lib/python*/site-packages/{module}{end}"))
        return self._locked(f"{_spelled(module)}==")

    def _exactly(self, requirement: str) -> bool:
        name, _, version = requirement.partition("==")
        if self.ready:
            folder = f"{re.sub('[-_.]+', '_', name).lower()}-{version}.dist-info"
            return any(True for _ in self.venv.glob(f"lib/python*/site-packages/{folder}"))
        return self._locked(rf"{_spelled(name)}=={re.escape(version)}(?![\w.+!-])")

    def _locked(self, pattern: str) -> bool:
        text = self.lock.read_text("utf-8") if self.lock.is_file() else ""
        return re.search(f"^{pattern}", text, re.MULTILINE | re.IGNORECASE) is not None


def _spelled(name: str) -> str:
    """A pattern for a distribution's name in any of its spellings."""
    return re.sub("[-_.]+", "[-_.]+", name)


def offers(folder: Path, installed: Installed) -> Offers | None:
    """The table that holds for what is installed; none: not known.

    Args:
        folder: that of the toolkit's definition.
        installed: what is there.

    Raises:
        InputError: the copy is no YAML, or holds something else.
    """
    if installed.ready:
        with contextlib.suppress(OSError, ValueError):  # not made, or by another version of this program
            made = Offers.model_validate_json((installed.venv / BUILT).read_bytes(), strict=True)
            if installed.all(made.made_with):
                return made
    file = folder / COPY
    copy = load(file, Offers, "a table of what a toolkit offers") if file.exists() else None
    return copy if copy and installed.all(copy.made_with) else None


def broken(folder: Path, installed: Installed) -> Sequence[Broken]:
    """What is known not to work of it.

    Raises:
        InputError: the file is no YAML, or holds something else.
    """
    file = folder / BROKEN
    held = load(file, BrokenFile, "a file of what does not work") if file.exists() else None
    return held.families if held and installed.all(held.made_with) else ()


def makes(code: Path | None) -> bool:
    """Whether a toolkit has a program that makes its table; ``code``: the folder of its code."""
    return code is not None and (code / PROGRAM).is_file()


def make(python: Path, code: Path | None, venv: Path, seconds: float) -> str:
    """Make the table inside an environment that is built; of a toolkit without a program for it, none.

    Args:
        python: the environment's.
        code: the folder of the toolkit's code.
        venv: where it is written.
        seconds: how long that may take.

    Returns:
        An empty string, or why there is none now: `validate` and `plan` then know less, and nothing else is lost.
    """
    if code is None or not makes(code):
        return ""
    argv = [str(python), str(start.HERE), str(code / PROGRAM), str(venv / BUILT)]
    env = clean_environment() | {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "USE_HF": "1"}
    try:
        (venv / BUILT).unlink(missing_ok=True)
        done = subprocess.run(argv, env=env, cwd=venv, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"it took more than {seconds:g} s"
    except OSError as error:  # another's environment, on a disk that can only be read
        return f"{venv / BUILT}: {error.strerror}"
    last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    return "" if done.returncode == 0 else last[0]
