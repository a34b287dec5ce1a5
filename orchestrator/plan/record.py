"""A stage's ``stage.json``: written last and atomically, so what it says is true. It is read and written here alone.

Files can still be lost or damaged afterwards. What other stages read of a stage is sealed when it is done (size and
SHA-256 of each file, and a digest of its outputs), and a stage that does not fit its seals is not done.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from orchestrator.errors import StageError
from orchestrator.machine.files import digest, read_json, write_json
from orchestrator.plan.outputs import KEPT, OUTPUTS, Kind, Outputs, SelectOutputs

STATE = "stage.json"
# by kind of stage: patterns of the files that are sealed; the others in its folder are for people
SEALED: Mapping[str, tuple[str, ...]] = {
    "init": ("model/*",),
    "convert": ("train.*", "dev.*", "dataset_info.json"),
    "infer": ("requests.jsonl", "predictions.jsonl"),
    "score": ("scores.json", "*.answers.jsonl.gz", "*.csv"),
}
SMALL_BYTES = 1 << 18  # a file of this size is read to see whether a stage is done; of larger ones the length counts

State = Literal["running", "done", "failed", "interrupted", "reopened"]
O = TypeVar("O", bound=Outputs)  # noqa: E741


class Attempt(BaseModel):
    """One of the times that a stage was begun.

    Attributes:
        started_at: UTC in ISO 8601.
        seconds: wall time; ``None`` while it runs, or where it was killed.
        startup_seconds: of these until the first step or answer was seen; ``None`` where none was.
        startup_done: how many steps or answers were done by then; ``None`` where that is not known.
        resumed_from: what of earlier attempts it went on from, a checkpoint or so many answers; empty where it began
            anew, ``None`` where that is not known.
    """

    model_config = KEPT

    started_at: str
    seconds: float | None = None
    startup_seconds: float | None = None
    startup_done: int | None = None
    resumed_from: str | None = None

    @field_validator("started_at")
    @classmethod
    def _time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value


class Seal(BaseModel):
    """What a file was when its stage was done."""

    model_config = KEPT

    bytes: int
    sha256: str


class Weights(BaseModel):
    """The model as the recipe and the pins name it."""

    model_config = KEPT

    path: str | None = None
    revision: str | None = None


class Record(BaseModel):
    """All that a stage says of itself, in the order in which people read it.

    Attributes:
        state: ``reopened``: it was done, and is to be done again; what is there of its work is kept.
        stage: its kind.
        inputs: what its key is the hash of.
        made_from: by kind, the `mark` of each stage that it was made from.
        processes: of training.
        outputs: ``None`` where it was never done, or where they do not fit their seal or its kind.
        outputs_sha256: their seal, where other stages read them.
        files: the seals of its files, by name, or path in its folder.
        id: tells one making from another with the same key, of a stage that may come out otherwise.
        mixed: what it read was changed while it ran.
        seconds: wall time of all attempts.
    """

    model_config = KEPT

    state: State
    stage: Kind
    job: str = ""
    key: str = ""
    argv: list[str] = []
    env: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    made_from: dict[str, str] = {}
    device: str = ""
    processes: int = 1
    toolkit: str = ""
    model: Weights = Weights()
    host: str = ""
    git_commit: str = ""
    toolkit_lock: str | None = None
    attempts: list[Attempt] = []
    outputs: SerializeAsAny[Outputs] | None = None
    outputs_sha256: str | None = None
    files: dict[str, Seal] = {}
    id: str | None = None
    mixed: bool = False
    error: str | None = None
    exit_code: int | None = None
    seconds: float = 0.0
    ended_at: str = ""

    @field_validator("outputs", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Outputs | None:
        if isinstance(value, Outputs):
            return value
        with contextlib.suppress(ValidationError, KeyError):  # it is told that the kind is none
            return OUTPUTS[info.data["stage"]].model_validate(value)
        return None

    @property
    def mark(self) -> str | None:
        """What tells one making of a stage from another with the same key; ``None`` where that is not known.

        A training and an inference have a random id; of a selection it is the checkpoint that matters.
        """
        return self.outputs.checkpoint if isinstance(self.outputs, SelectOutputs) else self.id

    def outputs_as(self, kind: type[O]) -> O | None:
        """Its outputs, if they are known and of this kind."""
        return self.outputs if isinstance(self.outputs, kind) else None

    def seal(self, folder: Path) -> None:
        """Take down what its outputs and its files are now."""
        patterns = SEALED.get(self.stage, ())
        files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
        self.files = {
            str(path.relative_to(folder)): Seal(bytes=path.stat().st_size, sha256=_sha256(path)) for path in files
        }
        if self.outputs is not None and self.outputs.sealed:
            said = self.model_dump(include={"outputs"}, exclude_unset=True)["outputs"]
            self.outputs_sha256 = digest(json.loads(json.dumps(said)))  # as it reads back: steps as keys become text


def read(folder: Path) -> Record | None:
    """What a stage's folder says of it; ``None`` where it has not begun, or where its ``stage.json`` is damaged."""
    found = read_json(folder / STATE)
    if not isinstance(found, dict):
        return None
    if found.get("outputs_sha256") not in (None, digest(found.get("outputs"))):
        found["outputs"] = None
    try:
        return Record.model_validate(found)
    except ValidationError:
        return None


def write(folder: Path, record: Record) -> None:
    """Have a stage's folder say this of it.

    Raises:
        OSError: the disk refuses it; what it said stands.
    """
    write_json(folder / STATE, record.model_dump(exclude_unset=True))


def outputs_in(folder: Path, kind: type[O]) -> O:
    """The outputs of a stage that is known to be done.

    Raises:
        StageError: its ``stage.json`` was lost or damaged since; the next run does the stage again.
    """
    record = read(folder)
    outputs = record.outputs_as(kind) if record else None
    if outputs is None:
        message = f"{folder / STATE} does not say what came of the stage: it was lost or edited since"
        raise StageError(f"{message}\n    run the same command again: it does that stage again first")
    return outputs


def is_done(folder: Path, record: Record | None) -> bool:
    """Whether a stage's outputs are on disk, complete: sealed files have their length, and small ones their content."""
    return record is not None and record.state == "done" and not damaged(folder, record, small_only=True)


def damaged(folder: Path, record: Record | None, *, small_only: bool = False) -> list[str]:
    """The names of the files that are no longer what their stage wrote.

    Args:
        folder: the stage's.
        record: what it says of itself, which counts itself where it was done and its outputs are not known.
        small_only: of large files only the length is looked at.
    """
    if record is None:
        return []
    itself = [STATE] if record.state == "done" and record.outputs is None else []
    return itself + [name for name, seal in record.files.items() if not _fits(folder / name, seal, small_only)]


def reopen(folder: Path) -> None:
    """Have a stage that is done be done again by the next run; what is there of its work is kept, and its seals."""
    if record := read(folder):
        record.state = "reopened"
        write(folder, record)


def _fits(path: Path, seal: Seal, small_only: bool) -> bool:
    try:
        size = path.stat().st_size
        if size != seal.bytes:
            return False
        return (small_only and size > SMALL_BYTES) or _sha256(path) == seal.sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
