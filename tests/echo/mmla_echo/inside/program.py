"""What the toolkit ``echo`` starts: ``start.py program.py init|train|infer|merge config.json`` in the stage's folder.

It trains by counting which words go with which answer, a batch a step, and answers by these counts; every answer says
how many samples were counted, so that a step left out or done twice shows. Without any counts it says `statement`.

``ECHO_DO`` asks for misbehaviour: ``<what>:<stage>[@<job>][=<number>]``, several with commas. It happens at that step
or request (counted from 1), without a number at the first that is done.

fail: exit status 1. lie: status 0. hang: for ever, work half done. die: SIGKILL, work half done. fill: the disk is
full. stuff: fills the disk for real. error: the request has no answer. slow: so many seconds before each. linger: goes
on for so many seconds after SIGTERM, then writes its checkpoint and ends (a training).
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path.cwd()
STAGE = HERE if (HERE / "stage.json").exists() else HERE.parent
WISH = re.compile(r"(\w+):(\w+)(?:@([\w-]+))?(?:=([\d.]+))?")


def wishes(kind: str) -> list[tuple[str, str | None]]:
    """What ``ECHO_DO`` asks for in this kind of stage and this job, each with its number."""
    found = [WISH.fullmatch(wish).groups() for wish in filter(None, os.environ.get("ECHO_DO", "").split(","))]
    return [(what, number) for what, stage, job, number in found if stage == kind and job in (None, STAGE.parent.name)]


def asked(kind: str, at: int, half: tuple[Path, str]) -> set[str]:
    """Do what ``ECHO_DO`` asks for now; ``half`` is what a process that is killed leaves half written."""
    now = set()
    for what, number in wishes(kind):
        if what == "slow":
            time.sleep(float(number))
        elif what != "linger" and (number is None or at == int(number)):
            now.add(what)
    if now & {"hang", "die"}:
        path, text = half
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)
    if "die" in now:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in now:
        print(f"hangs at {at}", flush=True)
        time.sleep(3600)
    if "fill" in now:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "stuff" in now:
        with Path("stuff").open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
    if "fail" in now:
        raise SystemExit(f"fails at {at} as asked")
    if "lie" in now:
        raise SystemExit(0)
    return now


def lingers(kind: str, save: Callable[[], None]) -> None:
    """Answer SIGTERM as a training does that is writing a checkpoint, if that is asked for."""

    seconds = [float(number) for what, number in wishes(kind) if what == "linger"]

    def finish(*_: object) -> None:
        print("finishes what it writes", flush=True)
        time.sleep(seconds[0])
        save()
        os._exit(143)

    if seconds:
        signal.signal(signal.SIGTERM, finish)


def write_zip(path: Path, text: str) -> None:
    """A file in the format of torch's, the same bytes for the same text."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo("data"), text)


def lines(path: str | Path) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()] if Path(path).exists() else []


def words(prompt: str) -> list[str]:
    return sorted(set(re.findall(r"\w+", prompt.lower())))  # in order: sums of floats depend on it


class Model:
    def __init__(self, folder: str | Path) -> None:
        with zipfile.ZipFile(Path(folder) / "model.bin") as file:
            known = json.loads(file.read("data"))
        self.seen, self.answers = known["seen"], Counter(known["answers"])
        self.counts = {word: Counter(counts) for word, counts in known["counts"].items()}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        known = {"seen": self.seen, "answers": self.answers, "counts": self.counts}
        write_zip(folder / "model.bin", json.dumps(known))
        (folder / "config.json").write_text("{}")

    def learn(self, row: dict) -> None:
        self.seen += 1
        self.answers[row["answer"]] += 1
        for word in words(row["prompt"]):
            self.counts.setdefault(word, Counter())[row["answer"]] += 1

    def answer(self, prompt: str) -> str:
        score = self.scores(prompt)
        return max(sorted(score), key=score.get)

    def choose(self, prompt: str, labels: list[str], answers: list[str]) -> dict:
        """The likeliest of a task's labels, as the runners say it."""
        score = self.scores(prompt)
        each = {label: round(score[answer] - 9, 6) for label, answer in zip(labels, answers, strict=True)}
        label = max(each, key=each.get)
        return {"text": answers[labels.index(label)], "label": label, "logprobs": each}

    def scores(self, prompt: str) -> Counter:
        score = Counter({"statement": 0.0})
        for word in words(prompt):
            # a word says the more the fewer answers it goes with
            for answer, count in (known := self.counts.get(word, {})).items():
                score[answer] += count / self.answers[answer] / len(known)
        return score


def init(config: dict) -> None:
    if (HERE / "model").exists():  # as the real one
        return
    asked("init", 1, (HERE / "model" / "model.bin", "{"))
    (HERE / "model").mkdir()
    write_zip(HERE / "model" / "model.bin", '{"seen": 0, "answers": {}, "counts": {}}')


def train(config: dict) -> None:
    rows, dev = lines(f"{config['data']}/train.jsonl"), lines(f"{config['data']}/dev.jsonl")
    output, batch = HERE / "output", config["batch_size"]
    steps = int(-(-len(rows) * config["epochs"] // batch))
    save = config["save_steps"] or -(-len(rows) // batch)
    model, state = Model(config["resume"] or config["model"]), {"global_step": 0, "log_history": []}
    if config["resume"]:
        state = json.loads((HERE / config["resume"] / "trainer_state.json").read_text())

    def write() -> None:
        folder = output / f"checkpoint-{state['global_step']}"
        model.save(folder)
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            write_zip(folder / name, "nothing")
        (folder / "trainer_state.json").write_text(json.dumps(state))

    lingers("train", write)
    for step in range(state["global_step"] + 1, steps + 1):
        asked("train", step, (output / f"checkpoint-{step}" / "model.bin", "{"))
        for number in range((step - 1) * batch, step * batch):
            model.learn(rows[number % len(rows)])
        print(f"{100 * step // steps}%|##| {step}/{steps} [00:00]\n{{'loss': {1 / step:.4f}}}", flush=True)
        state |= {"global_step": step, "max_steps": steps}
        if step % save == 0 or step == steps:
            if dev:
                right = sum(model.answer(row["prompt"]) == row["answer"] for row in dev)
                state["log_history"].append({"step": step, "eval_accuracy": right / len(dev)})
            write()
    (output / "trainer_state.json").write_text(json.dumps(state))


def infer(config: dict) -> None:
    model = Model(config["adapter"] or config["model"])
    index, count = config.get("shard") or (0, 1)
    journal, failed = HERE / config["predictions"], 0
    print(f"answers with {model.seen} samples seen", flush=True)
    done = {line["id"] for name in {config["predictions"], config.get("answered", "")} - {""} for line in lines(name)}
    with journal.open("a") as file:
        for number, request in enumerate(lines(config["requests"]), 1):
            if request["id"] in done or number % count != index:
                continue
            now = asked("infer", number, (journal, '{"id": "half a li'))
            failed += "error" in now
            text = f"{model.answer(request['prompt'])} ({model.seen} seen)"
            said = {"text": text}
            if "labels" in config:
                said = model.choose(request["prompt"], **config["labels"][request["task"]])
            answer = {"error": "as asked"} if "error" in now else {**said, "seconds": 0.5}
            file.write(json.dumps({"id": request["id"], **answer}) + "\n")
            file.flush()
    # as the runners do: of one that is one of several, a single answer says nothing about the whole
    if failed and all("error" in line for line in lines(journal)) and not (count > 1 and len(lines(journal)) == 1):
        raise SystemExit(3)


def merge(config: dict) -> None:
    Model(config["adapter"]).save(HERE / "merged")


def main() -> None:
    print(f"sees GPUs: {os.environ.get('CUDA_VISIBLE_DEVICES', 'all')}", flush=True)
    work = {"init": init, "train": train, "infer": infer, "merge": merge}[sys.argv[1]]
    work(json.loads(Path(sys.argv[2]).read_text()))
