"""Which clips can be heard, what is heard of them, and what their repaired copies keep of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.data.clips.sound import LEAST_SECONDS, unheard
from orchestrator.data.repair import repair_videos
from orchestrator.data.videos import check_videos
from orchestrator.inside import sound
from tests.media import tone, write_sounding, write_video

pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency, in hertz, of a second or so at 16 kHz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / sound.RATE)[spectrum.argmax()])


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("a.mp4", "aac", 16_000, 1),
        ("a.mp4", "aac", 44_100, 2),
        ("a.mp4", "aac", 48_000, 6),
        ("a.mp4", "libmp3lame", 22_050, 2),
        ("a.avi", "pcm_s16le", 16_000, 2),  # samples that are integers, side by side
        ("a.mov", "pcm_s16le", 8_000, 1),
        ("a.mkv", "libopus", 48_000, 1),
        ("a.mkv", "flac", 32_000, 2),
    ],
)
def test_any_rate_and_any_number_of_channels_is_heard_alike(
    tmp_path: Path, name: str, codec: str, rate: int, channels: int
) -> None:
    clip = write_sounding(tmp_path / name, tone(440, rate=rate, channels=channels), rate=rate, codec=codec)
    heard = sound.read(clip)
    assert (heard.dtype, heard.ndim) == (np.float32, 1)
    assert len(heard) == pytest.approx(sound.RATE, abs=0.08 * sound.RATE)  # encoders fill up their last frame
    assert pitch(heard[2000:14000]) == pytest.approx(440, abs=3)
    assert np.abs(heard[4000:12000]).max() == pytest.approx(
        0.5, abs=0.05 if channels < 6 else 0.1
    )  # one of six is for low tones
    assert unheard(str(clip)) == ""


def test_both_channels_count(tmp_path: Path) -> None:
    left_only = np.concatenate([tone(440), 0 * tone(440)])
    clip = write_sounding(tmp_path / "a.mkv", left_only, codec="flac")
    assert np.abs(sound.read(clip)).max() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (None, "it has no sound"),
        (0 * tone(1), "its sound is silence from beginning to end"),
        (tone(440, LEAST_SECONDS / 4), "its sound is too short to be heard: 0.025 s"),
    ],
)
def test_what_is_not_heard(tmp_path: Path, samples: np.ndarray | None, message: str) -> None:
    clip = write_sounding(tmp_path / "a.mp4", samples, codec="alac")
    assert unheard(str(clip)) == message
    (found,) = check_videos([clip], modality="video+audio")
    assert (found.problem.message, found.sound, found.repairable) == (message, True, False)
    assert not [one for one in check_videos([clip]) if one.sound]  # nobody wants to hear it


def test_damaged_sound_is_told(tmp_path: Path) -> None:
    clip = write_sounding(tmp_path / "a.mp4", tone(440, 2), frames=0)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert unheard(str(clip)).startswith("its sound cannot be decoded: ")


def test_a_file_of_sound_alone_is_a_clip_for_models_that_only_hear(tmp_path: Path) -> None:
    clip = write_sounding(tmp_path / "a.wav", tone(440), frames=0, codec="pcm_s16le")
    assert check_videos([clip], modality="audio") == []
    (found,) = check_videos([clip], modality="video+audio")
    assert (found.problem.message, found.alone) == ("no video stream in the file", True)
    assert found.problem.hint.endswith("(data.modality: audio)")
    (silent,) = check_videos([write_sounding(clip, 0 * tone(1), frames=0, codec="pcm_s16le")])
    assert not silent.alone


def test_what_was_heard_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, clip = tmp_path / "videos.json", write_video(tmp_path / "a.mp4")
    assert check_videos([clip], cache) == []
    (first,) = check_videos([clip], cache, modality="video+audio")  # nobody had listened before
    monkeypatch.setattr("orchestrator.data.videos.in_parallel", lambda *_: pytest.fail("looked at again"))
    assert check_videos([clip], cache, modality="video+audio") == [first]
    assert check_videos([clip], cache) == []


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (96_000, 6)])
def test_a_copy_keeps_its_sound(tmp_path: Path, rate: int, channels: int) -> None:
    samples = np.concatenate([tone(440, rate=rate, channels=channels), tone(880, rate=rate, channels=channels)], axis=1)
    clip = write_sounding(tmp_path / "a.mkv", samples, rate=rate, codec="flac", frames=20)
    (made,) = repair_videos([str(clip)]).repaired
    assert check_videos([made.copy], modality="video+audio") == []
    heard, original = sound.read(made.copy), sound.read(clip)
    assert len(heard) == pytest.approx(len(original), abs=0.08 * sound.RATE)
    assert [pitch(heard[at : at + 8000]) for at in (4000, 20000)] == [
        pytest.approx(440, abs=3),
        pytest.approx(880, abs=3),
    ]


def test_a_copy_of_a_silent_clip_is_silent(tmp_path: Path) -> None:
    clip = write_sounding(tmp_path / "a.mkv", None)
    (made,) = repair_videos([str(clip)]).repaired
    (found,) = check_videos([made.copy], modality="video+audio")
    assert (found.problem.message, found.repairable) == ("it has no sound", False)


def test_copies_of_earlier_versions_are_made_anew_with_their_sound(tmp_path: Path) -> None:
    clip = write_sounding(tmp_path / "a.mkv", tone(440), codec="flac")
    (made,) = repair_videos([str(clip)]).repaired
    write_sounding(Path(made.copy), None)  # as it was: its pictures alone
    assert check_videos([made.copy]) == []
    (found,) = check_videos([made.copy], modality="video+audio")
    assert (found.problem.message, found.repairable) == ("its repaired copy has no sound, and the clip has", True)
    (again,) = repair_videos([made.copy]).repaired
    assert again.copy == made.copy
    assert check_videos([made.copy], modality="video+audio") == []
