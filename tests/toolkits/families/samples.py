"""Families, and what their models are asked in the tests of both toolkits."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import yaml

from tests.media import write_video
from tests.running import write_jsonl
from tests.toolkits.inside import HERE, argv_of

WORDS = ["the", "coach", "asks", "what", "you", "would", "like", "to", "change", "and", "waits", "for", "an", "answer"]
PROMPTS = [" ".join(WORDS[: 2 + number % 11] * (1 + number % 3)) + f" {number}" for number in range(9)]
TRICKY = "she said <video>, <image> and <audio>, then <|im_end|><|video_pad|> </s>"
MAX_PIXELS = 12544


def families_of(toolkit: str) -> dict[str, dict[str, Any]]:
    """The families that a toolkit is tried with, by name."""
    text = Path(__file__).with_name("families.yaml").read_text(encoding="utf-8")
    return {name: family for name, family in yaml.safe_load(text)["families"].items() if toolkit in family["template"]}


def requests_of(clips: list[Path]) -> list[dict[str, Any]]:
    """Eleven requests; with clips, a third of them is without, and the first shows the last clip."""
    found: list[dict[str, Any]] = [
        {"id": str(at), "prompt": prompt, "video": str(clips[at % (len(clips) - 1)]) if clips and at % 3 else None}
        for at, prompt in enumerate([*PROMPTS, TRICKY])
    ]
    return [{"id": "short", "prompt": PROMPTS[4], "video": str(clips[-1]) if clips else None}, *found]


def runner_config(folder: Path, name: str, template: str) -> dict[str, Any]:
    """A runner's configuration for the model in a folder."""
    return {
        "requests": str(folder / f"{name}.requests.jsonl"),
        "model": str(folder / name),
        "revision": None,
        "adapter": None,
        "template": template,
        "finetuning": "full",
        "device": "cpu",
        "precision": "fp32",
        "max_new_tokens": 6,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 42,
        "frames": 4,
        "max_pixels": MAX_PIXELS,
        "max_length": 2048,
        "trust_remote_code": False,
    }


class Groups:
    """What is found of two groups of families, each in one process of the toolkit, when the first of it is asked for.

    Args:
        toolkit: Its program is ``inside_<toolkit>.py``.
        python: The toolkit's own.
        folder: Where everything lies.
        short: Those of `make test`.
        write: Writes what the program reads of a family: the folder, its name, clips.
        env: Variables of the process.
    """

    def __init__(
        self,
        toolkit: str,
        python: Path,
        folder: Path,
        short: Collection[str],
        write: Callable[[Path, str, list[Path]], None],
        env: dict[str, str],
    ) -> None:
        self.families = families_of(toolkit)
        self.argv = argv_of(python, HERE / "families" / f"inside_{toolkit}.py", folder)
        self.folder = folder
        self.short = short
        self.write = write
        self.env = env | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def found(self, name: str) -> dict[str, Any]:
        """Of one family."""
        report = self.folder / f"{name}.report.json"
        if not report.exists():
            self._run([one for one in self.families if (one in self.short) == (name in self.short)])
        found: dict[str, Any] = json.loads(report.read_text())
        assert "failed" not in found, found["failed"]
        return found

    def _run(self, group: list[str]) -> None:
        folder = self.folder
        write_jsonl(folder / "corpus.jsonl", [*PROMPTS, TRICKY])
        clips = [write_video(folder / f"{at}.mp4", at, frames) for at, frames in enumerate((8, 9, 40, 4, 3))]
        for name in group:
            self.write(folder, name, clips)
        (folder / "families.json").write_text(json.dumps({name: self.families[name] for name in group}))
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | self.env
        done = subprocess.run(self.argv, env=env, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
