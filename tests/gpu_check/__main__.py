"""``make gpu-check``: everything that only a GPU can show, tried part by part; writes one page.

    python -m tests.gpu_check                                # all parts, on the GPUs
    python -m tests.gpu_check --only llamafactory            # those of one toolkit
    python -m tests.gpu_check --only swift/sft --only sft    # one part; one part of every toolkit
    python -m tests.gpu_check --stop-after 20 --minutes 5    # what fits into so much time
    python -m tests.gpu_check --device cpu --out page.md     # the same in small, without a GPU

A part that fails does not stop the others. Each is ended after ``--minutes``; what was seen until then is kept. A later
call, or one on another machine that was given the page, adds to the page.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.environments.environment import Environment
from orchestrator.machine.checkout import git_commit
from orchestrator.machine.files import atomic_write, read_json, write_json
from orchestrator.machine.gpus import driver, visible_gpus
from orchestrator.machine.logs import last_lines
from orchestrator.machine.processes import end_below
from tests.gpu_check import large, page, parts
from tests.gpu_check.kits import KITS, Bench
from tests.gpu_check.runs import Failed, Skipped
from tests.shared import ROOT

PAGE = ROOT / "tests" / "benchmarks" / "gpu.md"
GRACE = 20.0  # seconds that a part has to end its runs
LAST_LINES = 20  # of the log of a part that was ended


def all_parts() -> list[str]:
    """Every part, in the order in which they are run."""
    return [*parts.names(), *large.names()]


def chosen(only: Sequence[str]) -> list[str]:
    """The parts that are meant: a toolkit, a part's name, or both as ``toolkit/part``.

    Raises:
        SystemExit: there is none of that name.
    """
    known = all_parts()
    for word in only:
        if not any(word in (name, *name.split("/")) for name in known):
            sys.exit(f"error: no part `{word}`; there are: {', '.join(known)}")
    return [name for name in known if not only or any(word in (name, *name.split("/")) for word in only)]


def machine(device: str) -> tuple[str, dict[str, str]]:
    """The title of this machine's section, and what is known of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = {
        "commit": git_commit() or "unknown (no git checkout)",
        "processor": f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB of memory",
        "system": f"{platform.platform()}, Python {platform.python_version()}",
        "GPUs that runs see": str(len(visible_gpus())),
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "unset"),
    }
    if device == "cpu":
        return f"In small, on a CPU with {os.cpu_count()} cores: shows that the script works, no speed", facts
    return driver() or f"{len(visible_gpus())} GPUs, of which nvidia-smi tells nothing", facts


def do(name: str, bench: Bench, file: Path) -> None:
    """Run one part in this process; what it sees is written to a file as it comes."""
    toolkit, _, part = name.partition("/")
    record = {"state": "too slow", "figures": {}, "said": ""}
    write_json(file, record)
    try:
        if (state := Environment.load(toolkit).state()) != "ready":
            how = f"python -m orchestrator env build {toolkit}"
            raise Skipped(f"the environment of {toolkit} is {state}: {how}")
        # what it measured in an earlier call
        shutil.rmtree(bench.folder / "parts" / toolkit / part, ignore_errors=True)
        work = parts.TABLE[part](KITS[toolkit], bench) if part in parts.TABLE else large.TABLE[part](bench)
        for what, seen in work:
            print(f"    {what}: {seen}", flush=True)
            record["figures"] |= {what: seen}
            write_json(file, record)
        record["state"] = "ok"
    except Skipped as reason:
        record |= {"state": "skipped", "said": str(reason)}
    except Failed as reason:
        record |= {"state": "failed", "said": str(reason)}
    except Exception:
        record |= {"state": "failed", "said": traceback.format_exc()}
    write_json(file, record)


def argv_of(name: str, bench: Bench) -> list[str]:
    """The command line of one part."""
    words = ["--part", name, "--device", bench.device, "--work", str(bench.folder)]
    return [sys.executable, "-m", "tests.gpu_check", *words]


def limited(name: str, bench: Bench, minutes: float) -> page.Record:
    """Run one part in a process of its own, which is ended with all that it started after so many minutes."""
    file = bench.folder / "record.json"
    file.unlink(missing_ok=True)
    begun, why = time.time(), ""
    process = subprocess.Popen(argv_of(name, bench), cwd=ROOT, start_new_session=True)
    try:
        process.wait(minutes * 60)
    except subprocess.TimeoutExpired:
        why = f"it was ended after {minutes:g} minutes"
    finally:
        _end(process)
        end_below(bench.folder)  # what the toolkits' processes left, wherever they went
    held = read_json(file) or {}
    broke = f"its process ended with status {process.returncode}"
    state, said = str(held.get("state", "failed")), str(held.get("said", broke))
    if state == "too slow":  # as every part begins
        state, said = state if why else "failed", f"{why or broke}{_last_words(bench, begun)}"
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return page.Record(name, "", state, time.time() - begun, at, held.get("figures", {}), said)


def _last_words(bench: Bench, begun: float) -> str:
    """The end of what was written last since a part began: why it hung, perhaps."""
    files = [file for name in ("log.txt", "said.txt") for file in bench.folder.glob(f"parts/**/{name}")]
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    if newest is None or newest.stat().st_mtime < begun:
        return ""
    return f"; the end of {newest.relative_to(bench.folder)}:\n{last_lines(newest, LAST_LINES)}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part and its runs, which get some time to end their own processes."""
    with contextlib.suppress(ProcessLookupError):  # of a group that is empty by now
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.killpg(process.pid, number)
            end = time.monotonic() + GRACE
            while time.monotonic() < end:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.05)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: everything in small")
    made.add_argument(
        "--only", action="append", default=[], metavar="TOOLKIT[/PART]", help="repeatable; or a part's name"
    )
    made.add_argument("--out", type=Path, help=f"the page (default on GPUs: {PAGE.relative_to(ROOT)})")
    made.add_argument("--minutes", type=float, default=10, help="after which a part is ended (default: 10)")
    made.add_argument(
        "--work", type=Path, help="a folder for models and runs, kept for the next call (default: thrown away)"
    )
    made.add_argument("--stop-after", type=float, metavar="MINUTES", help="begin no part later than that from now")
    made.add_argument("--list", action="store_true", help="name the parts and end")
    made.add_argument("--part", help=argparse.SUPPRESS)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Run the parts and write the page after each; 1 where one failed."""
    given = parser().parse_args(words)
    names = chosen(given.only)
    if given.list:
        print("\n".join(names))
        return 0
    if given.part:
        do(given.part, Bench(given.device, given.work), given.work / "record.json")
        return 0
    out = given.out or (PAGE if given.device == "cuda" else None)
    if out is None:
        sys.exit("error: with --device cpu say where the page goes: --out PAGE.md")
    if given.device == "cuda" and not visible_gpus():
        sys.exit(
            "error: no GPU can be seen here; see nvidia-smi and CUDA_VISIBLE_DEVICES, or try it in small: --device cpu"
        )
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        return run_all(names, Bench(given.device, work), out, given.minutes, given.stop_after)


def run_all(names: Sequence[str], bench: Bench, out: Path, minutes: float, stop_after: float | None) -> int:
    """Run parts one after another; the page is written anew after each."""
    title, facts = machine(bench.device)
    failed, begun = 0, time.monotonic()
    for name in names:
        if stop_after is not None and time.monotonic() - begun > stop_after * 60:
            print(f"{stop_after:g} minutes are over: {name} and what follows is left for another call")
            break
        print(f"{name} ...", flush=True)
        record = limited(name, bench, minutes)
        record.machine = title
        held = page.read(out)  # anew each time: another call may have added to it
        held.machines[title] = facts
        held.add(record)
        atomic_write(out, page.render(held, all_parts()))
        failed += record.state in ("failed", "too slow")
        print(
            f"{name}: {record.state} after {record.seconds:.0f} s" + (f"\n{record.said}" if record.said else ""),
            flush=True,
        )
    print(f"page: {out}")
    return 1 if failed else 0


if __name__ == "__main__":
    for _number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(_number) != signal.SIG_IGN:  # as under nohup
            signal.signal(_number, lambda number, _: sys.exit(128 + number))  # so that the part at hand is ended, too
    sys.exit(main())
