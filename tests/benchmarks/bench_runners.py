"""How fast the local runners answer, beside the toolkits' own ways with the same model, requests, dtype and batch.

    python -m tests.benchmarks.bench_runners FOLDER [--rows 64] [--batches 1,8,16,32,64] [--ways run,predict,...]

FOLDER holds SmolLM2-135M-Instruct (docs/first-comparison.md says where it can be had). The requests are MELD's, of the
benchmark's text. Ways: ``run``, the command of this project; ``predict``, LLaMA-Factory's ``do_predict``; ``chat``, its
chat model one by one, as the benchmark's release asks; ``swift`` and ``swift_infer``, the same for ms-swift.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.environments.environment import Environment
from tests.shared import MMLA, RECIPES, ROOT

NEW_TOKENS = 16
# what LLaMA-Factory's do_predict asks for beyond its own requirements
FOR_PREDICT = ("jieba", "nltk", "rouge-chinese")
CHAT = """
import json, sys, time
from llamafactory.chat import ChatModel
begun = time.time()
rows = [json.loads(line) for line in open(sys.argv[2])]
model = ChatModel(dict(model_name_or_path=sys.argv[1], template="smollm2", infer_dtype="bfloat16"))
loaded = time.time()
said = [model.chat([dict(role="user", content=row["prompt"])], do_sample=False, max_new_tokens=int(sys.argv[3]),
                   temperature=1.0, repetition_penalty=1.0)[0].response_text for row in rows]
print(json.dumps([time.time() - loaded, said]))
"""


@dataclass(frozen=True)
class Timed:
    """The seconds of the answers alone and of the whole command, and the answers in the requests' order."""

    answering: float
    whole: float
    said: list[str]


@dataclass(frozen=True)
class Bench:
    """Where it happens, and with what."""

    folder: Path
    model: Path
    rows: int
    precision: str
    settings: tuple[str, ...]

    def requests(self) -> list[dict[str, Any]]:
        """Those that the command of this project made."""
        path = next(self.folder.glob("run-*/runs/*/*/infer-*/requests.jsonl"))
        return [json.loads(line) for line in path.read_text().splitlines()]

    def timed(self, argv: Sequence[object], **env: str) -> tuple[float, str]:
        """Seconds and output of a command, which must succeed."""
        own = os.environ | {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"} | env
        begun = time.perf_counter()
        done = subprocess.run(list(map(str, argv)), cwd=self.folder, env=own, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{argv} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return time.perf_counter() - begun, done.stdout

    def run(self, batch: int, toolkit: str = "llamafactory") -> Timed:
        """The command of this project."""
        place = self.folder / f"run-{toolkit}-{batch}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        model = f"model.path={self.model}"
        words = ["data.root=" + str(MMLA / "text"), model, f"inference.batch_size={batch}", *self.settings]
        words += [f"inference.max_new_tokens={NEW_TOKENS}", f"inference.precision={self.precision}"]
        if toolkit == "swift":
            words += ["model.toolkit=swift", "model.template=llama/chatml"]
        argv = [sys.executable, "-m", "orchestrator", "run", RECIPES / "smollm2_135m_zero_shot.yaml", "--task", "MELD",
                "--limit", self.rows, "--runs-dir", place / "runs", "--results-dir", place]  # fmt: skip
        for word in words:
            argv += ["--set", word]
        whole, _ = self.timed(argv, PYTHONPATH=str(ROOT))
        (table,) = place.glob("*.csv")
        with table.open(newline="", encoding="utf-8-sig") as file:
            row = next(csv.DictReader(file))
        (journal,) = place.glob("runs/*/*/infer-*/predictions.jsonl")
        said = {line["id"]: line["text"] for line in map(json.loads, journal.read_text().splitlines())}
        (asked,) = place.glob("runs/*/*/infer-*/requests.jsonl")
        ids = [json.loads(line)["id"] for line in asked.read_text().splitlines()]
        return Timed(float(row["infer_seconds"]), whole, [said[one] for one in ids])

    def predict(self, batch: int) -> Timed:
        """LLaMA-Factory's do_predict."""
        place = self.folder / "predict"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        rows = [
            {"instruction": request["prompt"], "input": "", "output": "emotion: joy"} for request in self.requests()
        ]
        (place / "rows.json").write_text(json.dumps(rows))
        (place / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}))
        config = {
            "model_name_or_path": str(self.model), "stage": "sft", "do_predict": True, "finetuning_type": "lora",
            "dataset_dir": str(place), "eval_dataset": "rows", "template": "smollm2", "cutoff_len": 2048,
            "output_dir": str(place / "out"), "per_device_eval_batch_size": batch, "predict_with_generate": True,
            "do_sample": False, "max_new_tokens": NEW_TOKENS, "bf16": True, "use_cpu": True, "report_to": "none",
            "repetition_penalty": 1.0, "temperature": 1.0,
        }  # fmt: skip
        (place / "config.yaml").write_text(json.dumps(config))
        environment = Environment.load("llamafactory")
        packages = self.folder / "packages"
        if not packages.exists():
            argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target", packages, *FOR_PREDICT]
            subprocess.run(argv, check=True)
        cli = environment.python.parent / "llamafactory-cli"
        whole, _ = self.timed([environment.python, cli, "train", place / "config.yaml"], PYTHONPATH=str(packages))
        found = [json.loads(line) for line in (place / "out/generated_predictions.jsonl").read_text().splitlines()]
        seconds = json.loads((place / "out/predict_results.json").read_text())["predict_runtime"]
        return Timed(float(seconds), whole, [row["predict"] for row in found])

    def chat(self, batch: int) -> Timed:
        """LLaMA-Factory's chat model, one by one whatever the batch."""
        (self.folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.requests()))
        python = Environment.load("llamafactory").python
        whole, output = self.timed([python, "-c", CHAT, self.model, self.folder / "asked.jsonl", NEW_TOKENS])
        seconds, said = json.loads(output.splitlines()[-1])
        return Timed(seconds, whole, said)

    def swift(self, batch: int) -> Timed:
        """The command of this project, with ms-swift."""
        return self.run(batch, "swift")

    def swift_infer(self, batch: int) -> Timed:
        """ms-swift's own infer."""
        place = self.folder / "swift_infer"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        rows = [{"messages": [{"role": "user", "content": request["prompt"]}]} for request in self.requests()]
        (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        python = Environment.load("swift").python
        argv = [python, python.parent / "swift", "infer", "--model", self.model, "--model_type", "llama", "--template",
                "chatml", "--infer_backend", "transformers", "--val_dataset", place / "rows.jsonl", "--result_path",
                place / "out.jsonl", "--max_new_tokens", NEW_TOKENS, "--temperature", "0", "--max_batch_size", batch,
                "--torch_dtype", "bfloat16"]  # fmt: skip
        whole, output = self.timed(argv, USE_HF="1")
        found = [json.loads(line) for line in (place / "out.jsonl").read_text().splitlines()]
        said = [row["response"] for row in found]
        return Timed(_swift_seconds(output), whole, said)


def _swift_seconds(output: str) -> float:
    """What ms-swift says its answers took (``'runtime': '12.3s'`` in its statistics); else not a number."""
    found = re.findall(r"'?runtime'?: '?([0-9.]+)", output)
    return float(found[-1]) if found else float("nan")


def main(arguments: Sequence[str]) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batches", default="1,8,16,32,64")
    parser.add_argument("--rounds", type=int, default=2, help="the fastest counts: others disturb a shared machine")
    parser.add_argument("--ways", default="run,predict,chat,swift,swift_infer")
    parser.add_argument("--precision", default="bf16", help="of this project's ways")
    parser.add_argument("--set", action="append", default=[], help="more of this project's ways, as `run` takes it")
    parser.add_argument("--folder", type=Path, default=Path("runners"))
    given = parser.parse_args(arguments)
    given.folder.mkdir(exist_ok=True)
    bench = Bench(given.folder.resolve(), given.model.resolve(), given.rows, given.precision, tuple(given.set))
    ways, batches = given.ways.split(","), list(map(int, given.batches.split(",")))
    found: dict[tuple[str, int], list[Timed]] = {}
    for _ in range(given.rounds):
        for batch in batches:
            for way in ways:
                if way != "chat" or batch == 1:
                    found.setdefault((way, batch), []).append(getattr(bench, way)(batch))
    print("| way | batch | answering | a second | whole command | as one by one |\n|---|---|---|---|---|---|")
    for (way, batch), timed in sorted(found.items(), key=lambda one: (ways.index(one[0][0]), one[0][1])):
        alone = found["swift" if way.startswith("swift") else "run", batches[0]][0].said
        seconds = [one.answering for one in timed]
        same = sum(a.strip() == b.strip() for a, b in zip(alone, timed[0].said, strict=True))
        print(f"| {way} | {batch} | {min(seconds):.1f} to {max(seconds):.1f} s | {len(alone) / min(seconds):.2f} | "
              f"{min(one.whole for one in timed):.1f} s | {same} of {len(alone)} |")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
