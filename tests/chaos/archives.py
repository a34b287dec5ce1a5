"""Archives of videos beside the data: damaged, half unpacked, unsafe, two runs at once."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.chaos.surroundings import UNPRIVILEGED
from tests.chaos.table import CALM, EITHER, TOLD, add
from tests.chaos.world import Lab, World, understandable
from tests.running import environment
from tests.shared import ROOT


def packed(lab: Lab) -> tuple[World, Path]:
    """The demo's clips as those of a published task, in its archive; the calm run read them unpacked."""
    lab = lab.of("videos")
    return lab.at("new"), lab.base / "world" / "data" / "Demo" / "video"


def pack(clips: Path) -> Path:
    archive = clips.parent / "Demo_video.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(clips, "Demo/video")
    shutil.rmtree(clips)
    return archive


def appended(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 4) -> Callable[[Path], None]:
    """The archive with a member more, at its beginning."""

    def change(archive: Path) -> None:
        content = io.BytesIO()
        with tarfile.open(archive) as old, tarfile.open(fileobj=content, mode="w:gz") as new:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, size if kind == tarfile.REGTYPE else 0
            new.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
            for member in old:
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
        archive.write_bytes(content.getvalue())

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "its last bytes cut": lambda file: file.write_bytes(file.read_bytes()[:-9]),
    "emptied": lambda file: file.write_bytes(b""),
    "zeros in the middle": lambda file: file.write_bytes((old := file.read_bytes())[:2000] + bytes(500) + old[2500:]),
    "a page of HTML": lambda file: file.write_text("<html>404</html>"),
    "a path that leaves it": appended("../../escaped.mp4"),
    "an absolute path": appended("/tmp/escaped.mp4"),
    "a link out of it": appended("Demo/video/x", kind=tarfile.SYMTYPE, link="/etc"),
    "a device": appended("Demo/video/null", kind=tarfile.CHRTYPE),
}  # fmt: skip


def damaged(lab: Lab, how: str) -> None:
    world, clips = packed(lab)
    archive = pack(clips)
    whole = archive.read_bytes()
    DAMAGES[how](archive)
    code, said = world.run()
    assert code, f"nothing is said:\n{said}"
    understandable(said, code)
    assert not list(Path(world.folder).rglob("escaped.mp4"))
    archive.write_bytes(whole)
    world.settles()


def sound(lab: Lab) -> None:
    world, clips = packed(lab)
    pack(clips)
    world.settles()


def half_unpacked(lab: Lab) -> None:
    """Somebody unpacked it by hand and was stopped: some clips are there, one is cut."""
    world, clips = packed(lab)
    kept = {path.name: path.read_bytes() for path in sorted(clips.iterdir())[:3]}
    pack(clips)
    clips.mkdir()
    for number, (name, content) in enumerate(kept.items()):
        (clips / name).write_bytes(content if number else content[: len(content) // 2])
    world.settles(lambda: shutil.rmtree(clips))


def at_once(lab: Lab) -> None:
    world, clips = packed(lab)
    pack(clips)
    argv = [sys.executable, "-m", world.kind.program, *world.argv()]
    runs = [
        subprocess.Popen([*argv, "--runs-dir", f"{world.folder}/runs{number}"], cwd=ROOT, env=environment(),
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for number in range(3)
    ]  # fmt: skip
    for run in runs:
        said, _ = run.communicate(timeout=100)
        assert run.returncode == 0, said
    world.settles()


def killed(lab: Lab) -> None:
    """kill -9 while it is unpacked, many times."""
    world, clips = packed(lab)
    pack(clips)
    argv = [sys.executable, "-m", world.kind.program, *world.argv()]
    for number in range(6):
        run = subprocess.Popen(argv, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            run.wait(0.35 + number / 30)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
    world.settles()


def read_only_root(lab: Lab, unpacked: bool) -> None:
    """Where the videos lie ready nothing need be written; else it is said."""
    world, clips = packed(lab)
    pack(clips)
    if unpacked:
        with tarfile.open(clips.parent / "Demo_video.tar.gz") as tar:
            tar.extractall(clips.parent.parent, filter="data")
    folders = [clips.parent, clips.parent.parent, *([clips] if unpacked else [])]
    for path in folders:
        path.chmod(0o555)
    try:
        code, said = world.shell(f'exec {UNPRIVILEGED} "$@"')
        if unpacked:
            assert code == 0, said
        else:
            understandable(said, code)
    finally:
        for path in folders:
            path.chmod(0o755)
    world.settles()


add("archives", "sound", CALM, sound)
for _how in DAMAGES:
    add("archives", _how, TOLD, damaged, _how)
add("archives", "half unpacked by hand", EITHER, half_unpacked)
add("archives", "three runs unpack it at once", CALM, at_once)
add("archives", "kill -9 while it is unpacked", CALM, killed, slow=True)
add("archives", "a read-only root, unpacked by hand", CALM, read_only_root, True)
add("archives", "a read-only root, not unpacked", TOLD, read_only_root, False)
