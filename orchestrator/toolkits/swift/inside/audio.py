"""ms-swift reads sound by librosa, which wants an FFmpeg of the machine for most clips: here by our own reader."""

from __future__ import annotations

from typing import Any

from orchestrator.inside import sound


def load_audio(audio: Any, sampling_rate: int, *_: Any, **__: Any) -> Any:
    """In place of swift's function of that name: an array of shape (samples,)."""
    return sound.read(audio, sampling_rate)


def install() -> None:
    """Put it in place, where it is defined and where Qwen's templates have it from."""
    from swift.template import vision_utils
    from swift.template.templates import qwen

    vision_utils.load_audio = qwen.load_audio = load_audio
