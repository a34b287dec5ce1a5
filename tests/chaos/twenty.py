"""One ``sft`` run over two tasks' real text, disturbed twenty times: it must end as a calm one does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from orchestrator.plan.outputs import SelectOutputs
from orchestrator.plan.record import outputs_in, read
from tests.chaos.answers import DAMAGES, PREDICTIONS, damage
from tests.chaos.checkpoints import HARMS
from tests.chaos.clocks import YEARS, date, stale
from tests.chaos.data import EDITS, put_back
from tests.chaos.kills import VICTIMS
from tests.chaos.states import FORMS
from tests.chaos.world import Lab, World, obey, understandable
from tests.shared import MMLA

TASKS = ("MUStARD", "MIntRec")
TIMES, LIMITS = 20, {"echo": 128, "llamafactory": 32}


def write(root: Path) -> None:
    """The texts of the two tasks, in a copy that may be edited."""
    for task in TASKS:
        shutil.copytree(MMLA / "text" / task, root / task)


def strike(world: World, chance: random.Random, seconds: float) -> str | None:
    """A run that is disturbed at some moment: a kill, a signal, or data edited under it; ``None``: it was through."""
    process = world.start()
    wait = chance.uniform(0.5, 0.5 + seconds)  # before, Python itself is not ready
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(wait)
        assert process.returncode == 0, world.said
        return None
    if chance.random() < 0.25:
        file = world.folder / "data" / chance.choice(TASKS) / f"{chance.choice(('train', 'dev', 'test'))}.tsv"
        how, back = chance.choice(sorted(EDITS)), put_back(file)
        EDITS[how](file)
        process.wait(600)
        back()
        how = f"{file.parent.name}/{file.name}: {how}, put back when it had ended"
    else:
        how = chance.choice(sorted(VICTIMS))
        VICTIMS[how](world, process)
    if (code := process.wait(600)) in (1, 2):
        understandable(world.said, code)
        obey(world.said, world.folder)
    return f"after {wait:.1f} s {how}: status {code}"


def harm(world: World, chance: random.Random) -> str:
    """What lies on disk is damaged while nothing runs."""
    # of a training that is done, all is on disk: the system was asked to see to that
    going = [
        folder
        for folder in world.folder.glob("runs/*/*/train-*")
        if not ((record := read(folder)) and record.state == "done")
    ]
    unfinished = [file for folder in going for file in folder.glob("output/checkpoint-*/*.*")]
    forms = sorted(set(FORMS) - {"a folder"})
    ways: list[tuple[str, list[Path], list[str], Callable[[Path, str], object]]] = [
        ("answers", list(world.folder.glob(f"runs/*/*/*/**/{PREDICTIONS}")), sorted(DAMAGES), damage_some),
        ("a checkpoint's", unfinished, sorted(HARMS),
         lambda file, how: HARMS[how](file)),
        ("a file of its own,", [path for name in ("stage.json", "scores.json", "requests.jsonl")
         for path in world.folder.glob(f"runs/*/*/*/{name}")], forms, lambda file, how: FORMS[how](file)),
        ("converted data,", list(world.folder.glob("runs/*/*/convert-*/*.json*")), forms,
         lambda file, how: FORMS[how](file)),
        ("a stage's clock,", list(world.folder.glob("runs/*/*/*-*")), sorted(YEARS), date),
        ("a lost training,", list(world.folder.glob("runs/*/*/train-*")), ["stale answers of the future"], retrained),
        ("the results", list(world.results.parent.glob("*.csv")), ["emptied", "zeros"],
         lambda file, how: FORMS[how](file)),
    ]  # fmt: skip
    what, files, how, do = chance.choice([way for way in ways if way[1]])
    file, way = chance.choice(sorted(files)), chance.choice(how)
    do(file, way)
    return f"{what} {file.relative_to(world.folder)}: {way}"


def lose(world: World, chance: random.Random) -> str:
    """A stage is lost."""
    folder = chance.choice(sorted(world.folder.glob("runs/*/*/*-*")))
    shutil.rmtree(folder)
    return f"a lost stage, {folder.relative_to(world.folder)}"


def damage_some(journal: Path, how: str) -> None:
    """Some damages ask for a few lines to be there."""
    damage(journal, how if journal.read_bytes().count(b"\n") > 4 else "emptied")


def retrained(folder: Path, _: str) -> None:
    """A training is lost; the answers that were made from it are now somebody else's, and dated in the future."""
    key = folder.name.removeprefix("train-")
    for journal in folder.parent.glob(f"infer-*/{PREDICTIONS}"):
        record = read(journal.parent)
        if record and key in record.inputs.get("needs", {}).values():
            with contextlib.suppress(ValueError, TypeError):  # damaged before
                stale(journal)
            date(journal.parent, "the future")
    shutil.rmtree(folder)


def weights(world: World) -> dict[str, str]:
    """Digests of the chosen checkpoints' weights, by the selection that chose them."""
    found = {}
    for folder in world.folder.glob("runs/*/*/select-*"):
        for file in (folder / outputs_in(folder, SelectOutputs).path).glob("model.*[bs]*"):
            found[folder.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def twenty(toolkit: str, base: Path, seed: int) -> int:
    """Print what was done each time, and whether the run ended as a calm one; the exit status."""
    chance = random.Random(seed)
    lab = Lab(toolkit, base, f"[{', '.join(TASKS)}]", write, LIMITS[toolkit])
    trained = weights(lab.at("done"))
    print(f"{toolkit}, seed {seed}: a calm run over {' and '.join(TASKS)} takes {lab.seconds:.1f} s")
    world = lab.at("new")
    done: list[str] = []
    seconds, struck = lab.seconds, False
    while len(done) < TIMES:
        try:
            if struck:
                what, struck = harm(world, chance), False
            elif (what := strike(world, chance, seconds)) is None:  # it must have more to do, and less time
                seconds *= 0.8
                what = lose(world, chance)
            else:
                struck = True
        except AssertionError as fault:
            print(f"{len(done) + 1:3} NOT survived: {fault}")
            return 1
        done.append(what)
        print(f"{len(done):3} {what}", flush=True)
    try:
        for _ in range(TIMES):
            code, said = world.run()
            if code == 0:
                break
            understandable(said, code)
            obey(said, world.folder)
        world.settles()
    except AssertionError as fault:
        print(f"NOT survived: {fault}")
        return 1
    # a training whose weights nothing asks for is not done again
    same = all(digest == trained[name] for name, digest in weights(world).items() if name in trained)
    rows = [f"{row['task']} {row['acc']}" for row in lab.calm["rows"]]
    answers = sum(len(value) for name, value in lab.calm.items() if "/infer-" in name)
    print(json.dumps({"disturbed": TIMES, "answers": answers, "as calm": True, "weights as calm": same, "acc": rows}))
    return 0
