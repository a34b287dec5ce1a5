"""Whether the sound of a clip can be heard: read to its end by the reader that models have theirs from."""

from __future__ import annotations

from typing import Any

from orchestrator.data.clips.look import OUT_OF, UNREAD
from orchestrator.inside import sound
from orchestrator.machine.optional import is_memory

LEAST_SECONDS = 0.1  # of less, the ears of Qwen2-Audio and Qwen2.5-Omni make next to nothing: at 0.02 s, no token
SILENCE = 1e-4  # -80 dB of full scale; what encoders leave of digital silence is below
NONE = "it has no sound"


def unheard(name: str) -> str:
    """Why nothing is heard of a clip; empty where something is.

    Raises:
        OSError: as `look` raises it; MemoryError likewise.
    """
    import av

    av.logging.set_level(av.logging.PANIC)  # what is wrong is raised, too
    try:
        with av.open(name) as container:
            if container.streams.best("audio") is None:
                return NONE
        samples: Any = sound.read(name)
    except Exception as error:  # whatever the decoder makes of a damaged file is a finding, not a crash
        if is_memory(error) or getattr(error, "errno", None) in (*OUT_OF, *UNREAD):
            raise  # that says nothing about the clip
        return f"its sound cannot be decoded: {getattr(error, 'strerror', None) or error or type(error).__name__}"
    if (seconds := len(samples) / sound.RATE) < LEAST_SECONDS:
        return f"its sound is too short to be heard: {seconds:.3f} s"
    return "" if abs(samples).max() > SILENCE else "its sound is silence from beginning to end"
