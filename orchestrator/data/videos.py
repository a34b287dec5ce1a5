"""Are the videos there, can they be heard, and does every toolkit get from them what they show?

Asked before a GPU is: toolkits swap a bad video silently, and take other frames than they should.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.data.clips.copies import original_of
from orchestrator.data.clips.look import NO_PICTURES
from orchestrator.data.clips.pool import in_parallel, seconds_for
from orchestrator.data.spellings import Spellings
from orchestrator.errors import Problem
from orchestrator.machine.files import atomic_write
from orchestrator.machine.locks import updating
from orchestrator.machine.meter import Count
from orchestrator.machine.optional import optional

VERSION = 6  # of the cache: raised where what counts as sound changes
MEND = "delete it and run `data download` or `data check --videos` again, which unpack it from its archive, or mend it"
READ = "make it readable (owner, mode), or see whether its disk is there, and run the command again"
REPAIR = "`python -m orchestrator data repair` writes a copy beside it, which is then taken in its place"
KEPT_EVERY = 500  # clips
ROOT = "data.video_root says where the videos lie"
ALONE = "it has sound alone: show the model no pictures (data.modality: audio)"
DEAF = "give it one, or show the model no sound (data.modality)"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a video.

    Attributes:
        problem: in words, for the user.
        repairable: all that it shows can be had, if not by every toolkit.
        sound: that is what is wrong; there is nothing to be said against its pictures.
        alone: it has no pictures, and can be heard.
    """

    problem: Problem
    repairable: bool = False
    sound: bool = False
    alone: bool = False


# what is remembered of a video: its size and time of change, what is damaged, what not every toolkit does right, and
# why it is not heard; `None` where nobody listened
_Known = tuple[int, int, str, str, str | None]


def check_videos(
    paths: Iterable[str | Path],
    cache: Path | None = None,
    workers: int | None = None,
    progress: Count | None = None,
    modality: str = "video",
) -> list[Finding]:
    """All that is wrong with some video files: missing, empty, cut off, a frame that cannot be decoded, or a form of
    which some toolkit makes something else than what is shown.

    Args:
        paths: the files; the same one twice is looked at once.
        cache: a JSON file that remembers what was found, by path, size and time of change; what another version of
            this check or of PyAV found does not count.
        workers: processes that decode; as many as there are cores for this process.
        progress: told from this thread how many files are done, and of how many.
        modality: what is wanted of them, as `data.modality` says it: their pictures, their sound, or both.

    Returns:
        At most one finding for each file, in the files' order; its problem's ``where`` is the file.

    Raises:
        InputError: a video must be opened, and PyAV is absent.
        OSError: memory, or what else a process may have of the machine, ran out; MemoryError likewise.
    """
    known = _read_cache(cache)
    findings: dict[str, Finding] = {}
    names = list(dict.fromkeys(map(str, paths)))
    states = _states(names, findings)
    seen, heard = "video" in modality, "audio" in modality
    nothing: _Known = (0, 0, "", "", None)
    kept = {name: known.get(name, nothing) for name in states}
    todo = [name for name, one in kept.items() if one[:2] != states[name] or (heard and one[4] is None)]
    if todo:
        need_av()
        done = len(names) - len(todo)
        fresh: dict[str, _Known] = {}

        def take(asked: dict[str, Any], found: dict[str, Any]) -> None:
            nonlocal done
            name = asked["clip"]
            if problem := unfinished(found):
                findings[name] = Finding(Problem(problem, name, READ if found.get("failed") else MEND))
            else:
                fresh[name] = (*states[name], found["damage"], ", ".join(found["reasons"]), found.get("sound"))
                if cache is not None and not len(fresh) % KEPT_EVERY:
                    _remember(fresh, cache)  # a kill loses few of them
            done += 1
            if progress:
                progress(done, len(names))

        try:
            more = {"hear": True} if heard else {}
            asked = [{"clip": name, "seconds": seconds_for(states[name][0]), **more} for name in todo]
            in_parallel(asked, workers or cores(), take)
        finally:
            # an interrupt keeps what was found so far
            known |= fresh
            if cache is not None:
                _remember(fresh, cache)
    for name in (name for name in states if name not in findings):
        _, _, damage, form, sound = known.get(name, nothing)
        if damage and seen:
            findings[name] = Finding(Problem(damage, name, MEND))
        elif form and seen:
            findings[name] = Finding(Problem(f"not every toolkit is given what it shows: {form}", name, REPAIR), True)
        elif sound and heard:
            findings[name] = Finding(Problem(sound, name, DEAF), sound=True)
    if mute := [name for name, one in findings.items() if one.sound and original_of(name) != name]:
        findings |= _mute_copies(mute, cache, workers)
    if blank := [name for name, one in findings.items() if one.problem.message == NO_PICTURES]:
        silent = {one.problem.where for one in check_videos(blank, cache, workers, modality="audio")}
        alone = [name for name in blank if name not in silent]
        findings |= {name: Finding(Problem(NO_PICTURES, name, ALONE), alone=True) for name in alone}
    return [findings[name] for name in names if name in findings]


def _mute_copies(copies: Sequence[str], cache: Path | None, workers: int | None) -> dict[str, Finding]:
    """Of copies that are not heard those whose originals are: earlier versions made them without sound."""
    originals = {original_of(copy): copy for copy in copies}
    still = {one.problem.where for one in check_videos(originals, cache, workers, modality="audio")}
    message = "its repaired copy has no sound, and the clip has"
    heard = (copy for clip, copy in originals.items() if clip not in still)
    return {copy: Finding(Problem(message, copy, REPAIR), repairable=True, sound=True) for copy in heard}


def unfinished(found: dict[str, Any]) -> str:
    """Why nothing is known of a video that was asked for; empty where something is."""
    if late := found.get("late"):
        return f"the video is not decoded within {late:.0f} seconds: it hangs the decoder"
    if crash := found.get("crash"):
        return f"the video ends the decoder ({crash})"
    return str(found.get("failed", ""))


def need_av() -> None:
    """See that there is PyAV.

    Raises:
        InputError: there is none.
    """
    optional("av", "checking videos needs PyAV", "video")


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _states(names: Iterable[str], findings: dict[str, Finding]) -> dict[str, tuple[int, int]]:
    """Size and time of change of the files that hold something; what is wrong with the others."""
    states: dict[str, tuple[int, int]] = {}
    spellings = Spellings()
    for name in names:
        try:
            status = Path(name).stat()
        except FileNotFoundError:
            findings[name] = Finding(Problem("the video is missing", name, spellings.near(name) or ROOT))
        except OSError as error:
            findings[name] = Finding(Problem(f"no video: {error.strerror}", name, ROOT))
        except ValueError as error:  # a NUL in the name
            findings[name] = Finding(Problem(f"no video: {error}", repr(name)))
        else:
            if status.st_size:
                states[name] = (status.st_size, status.st_mtime_ns)
            else:
                findings[name] = Finding(Problem("the video is empty (0 bytes)", name, MEND))
    return states


def _stamp() -> str:
    """Whose findings count: of this check, with this PyAV."""
    from importlib.metadata import PackageNotFoundError, version  # slow, and most commands look at no video

    try:
        return f"{VERSION}, PyAV {version('av')}"
    except PackageNotFoundError:
        return f"{VERSION}"


def _read_cache(cache: Path | None) -> dict[str, _Known]:
    """The cache's content; a damaged or older one is as good as none."""
    if cache is None:
        return {}
    try:
        content = json.loads(cache.read_bytes())
        if content["version"] != _stamp():
            return {}
        return {str(name): (int(found[0]), int(found[1]), str(found[2]), str(found[3]),
                            found[4] if len(found) > 4 and isinstance(found[4], str) else None)
                for name, found in content["videos"].items()}  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}


def _remember(fresh: dict[str, _Known], cache: Path) -> None:
    """Add what was found to the cache, to which others add theirs at the same time."""
    with contextlib.suppress(OSError), updating(cache):  # a runs folder that is read only: they are looked at again
        content = {"version": _stamp(), "videos": _read_cache(cache) | fresh}
        atomic_write(cache, json.dumps(content, ensure_ascii=True))
