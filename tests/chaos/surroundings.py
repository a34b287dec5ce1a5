"""Odd surroundings: streams, languages, folders, limits, full disks."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.table import CALM, EITHER, TOLD, add
from tests.chaos.world import Lab, Untried, World, quoted, understandable

ASCII = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
UNPRIVILEGED = "setpriv --bounding-set=-dac_override,-dac_read_search"
# a line of bash, in which "$@" is the command
LINES = {
    "standard output closed": '"$@" >&-',
    "standard error closed": '"$@" 2>&-',
    "all streams closed": '"$@" <&- >&- 2>&-',
    "no standard input": '"$@" <&-',
    "nobody reads the output": '"$@" | true; exit $((PIPESTATUS[0] ? 1 : 0))',
    "the output goes to a full disk": '"$@" >/dev/full',
    "the errors go to a full disk": '"$@" 2>/dev/full',
    "an ASCII terminal": f'{ASCII} "$@"',
    "a Latin-1 terminal": 'PYTHONIOENCODING=latin-1 "$@"',
    "an ASCII terminal, strictly": f'{ASCII} PYTHONIOENCODING=ascii:strict "$@"',
    "LANG that does not exist": 'LANG=xx_YY LC_ALL=xx_YY "$@"',
    "no environment": 'env -i PYTHONPATH="$PYTHONPATH" "$@"',
    "no HOME": 'env -u HOME "$@"',
    "a HOME that is not there": 'HOME=/nonexistent "$@"',
    "a TMPDIR that is not there": 'TMPDIR=/nonexistent "$@"',
    "a variable that is not UTF-8": 'export ODD=$(printf "\\xff\\xfe"); "$@"',
    "a narrow terminal": 'COLUMNS=10 "$@"',
    "a dumb terminal of no size": 'TERM=dumb COLUMNS=0 LINES=0 "$@"',
    "umask 077": 'umask 077; "$@"',
    "few open files": 'ulimit -n 40; "$@"',
    "little memory": 'ulimit -v 1500000; "$@"',
    "a small stack": 'ulimit -s 1024; "$@"',
    "the working directory deleted": 'd=$(mktemp -d); cd "$d"; rmdir "$d"; "$@"',
    "a working directory without rights": f'mkdir x; cd x; chmod 0 .; {UNPRIVILEGED} "$@"',
    "a working directory with packages of usual names": 'mkdir x; cd x; mkdir orchestrator json; '
        'echo "exit(9)" | tee orchestrator/__init__.py json/__init__.py yaml.py typer.py rich.py >/dev/null; "$@"',
    "PYTHONSTARTUP, PYTHONHOME of others": 'PYTHONSTARTUP=/nonexistent "$@"',
    "a launcher's variables": 'RANK=3 WORLD_SIZE=8 MASTER_PORT=1 LOCAL_RANK=3 "$@"',
    "under nice, in the background": 'nice "$@" & wait $!',
    "under nohup": 'nohup "$@" >out.txt 2>&1',
    "HF_HUB_ENABLE_HF_TRANSFER=1": 'HF_HUB_ENABLE_HF_TRANSFER=1 "$@"',
    "Python's warnings as errors": 'PYTHONWARNINGS=error "$@"',
    "Python optimised": 'PYTHONOPTIMIZE=2 "$@"',
    "faketime in the past": 'faketime "2001-01-01" "$@"',
}  # fmt: skip
# these take the words away, or a command that is not everywhere; none may be told anything but this
REAL = (
    "all streams closed",
    "an ASCII terminal, strictly",
    "the working directory deleted",
    "umask 077",
    "few open files",
)
FAST = ("output", "all streams", "ASCII", "deleted", "packages", "memory", "open files", "TRANSFER", "warnings")
SILENT = ("closed", "full disk", "nobody")


def line(lab: Lab, name: str) -> None:
    world = lab.at("infer")
    code, said = world.shell(LINES[name])
    if code == 127:
        raise Untried(said.strip().splitlines()[-1])
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    if any(word in name for word in SILENT):
        assert code in (0, 1, 2), said
    elif code:
        understandable(said, code)
    world.settles()


for _name in LINES:
    add("surroundings", _name, CALM, line, _name, real=_name in REAL, slow=not any(word in _name for word in FAST))

FOLDERS = {
    "with spaces and quotes": "a 'b' \"c\" $d",
    "with a line break": "a\nb",
    "with brackets": "[red]a[/red] {b} *",
    "of other letters": "données-数据-🎬",
    "that begins with a dash": "-x",
    "of a long name": "x" * 150,
    "of a name that is not UTF-8": os.fsdecode(b"a\xff\xfeb"),
}


def folder(lab: Lab, name: str) -> None:
    """The runs lie in a folder of an odd name."""
    world = lab.at("new")
    odd = world.folder / FOLDERS[name]
    code, said = world.run("--runs-dir", odd)
    if code:
        understandable(said, code)
    else:
        odd.rename(world.folder / "runs")
    world.settles()


for _name in FOLDERS:
    add("surroundings", f"a runs folder {_name}", EITHER, folder, _name, slow="UTF-8" not in _name)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own.

    Raises:
        Untried: none can be mounted here.
    """
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        raise Untried("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path, left: int) -> None:
    """Fill a disk but for so many bytes."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, max(0, filler.stat().st_size - left))


def full(lab: Lab, which: str, left: int) -> None:
    """Everything, the runs or the results lie on a disk that is full but for so many bytes."""
    world = lab.at("new")
    with small_disk(world.folder / which, "4m"):
        fill(world.folder / which, left)
        more = ["--results-dir", world.folder / "elsewhere"] if which == "runs" else []
        code, said = world.run(*more)
        if code:
            understandable(said, code)
            assert "disk is full" in said or "No space left" in said, said
            if which == "results":
                assert not list(world.folder.glob("runs/*/*/train-*/output")), "noticed after the work"
        (world.folder / which / "filler").unlink()
        world.settles()


for _which in ("runs", "results"):
    for _left in (0, 4096, 16384):
        add("surroundings", f"{_left} bytes left for the {_which}", TOLD, full, _which, _left)


def without_rights(lab: Lab, what: str, state: str) -> None:
    """A folder that cannot be written, by somebody who is not root."""
    world = lab.at(state)
    paths = [path for path in (world.folder / what).rglob("*") if path.is_dir()]
    for path in [world.folder / what, *paths]:
        path.chmod(0o555)
    try:
        code, said = world.shell(f'exec {UNPRIVILEGED} "$@"')
        if code:
            understandable(said, code)
        assert code or what != "runs" or state == "done", said
        checked, said = world.shell(f'exec {UNPRIVILEGED} "$1" "$2" "$3" "$4" validate {quoted(world.recipe)}')
        assert checked in (0, 2), said
        assert "Traceback" not in said, said
    finally:
        for path in [world.folder / what, *paths]:
            path.chmod(0o755)
    world.settles()


for _state in ("new", "infer", "done"):
    add("surroundings", f"a read-only data root ({_state})", CALM, without_rights, "data", _state, real=_state == "new")
    if _state != "new":
        add("surroundings", f"read-only runs ({_state})", EITHER, without_rights, "runs", _state)


def without_locks(lab: Lab) -> None:
    """A file system that knows no locks, as some network ones."""
    from unittest.mock import patch

    world: World = lab.at("infer")
    with patch("fcntl.flock", side_effect=OSError(95, "Operation not supported")):
        code, said = world.run()
    if code:
        understandable(said, code)
    world.settles()


add("surroundings", "a file system without locks", EITHER, without_locks)
