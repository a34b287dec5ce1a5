"""``swift sft`` on sound: ``start.py train_audio.py ARGUMENTS``, as ``train.py`` with our reader of sound.

Apart from that, so that a training without sound is what it was.
"""

from __future__ import annotations

from orchestrator.toolkits.swift.inside import audio, patches, train


def prepare() -> None:
    """In processes that load data, too, however swift starts them."""
    patches.install()
    audio.install()


def main() -> None:
    """Train as the command line says."""
    train.main()
