"""A training on sound: ``start.py train_audio.py train.yaml``, as ``train.py`` with our reader of sound.

Apart from that, so that a training without sound is what it was.
"""

from __future__ import annotations

from orchestrator.toolkits.llamafactory.inside import audio, train


def main() -> None:
    """Train as the YAML file on the command line says."""
    audio.install()
    train.main()
