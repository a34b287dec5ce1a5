"""``swift sft`` on sound: ``start.py train_audio.py ARGUMENTS``, as ``train.py``, ``formed.py`` with our sound reader.

Apart from that, so that a training without sound is what it was.
"""

from __future__ import annotations

import os

from orchestrator.toolkits.swift.inside import audio, forms, patches, train
from orchestrator.toolkits.swift.inside.formed import THINKING


def prepare() -> None:
    """In processes that load data, too, however swift starts them."""
    patches.install()
    audio.install()
    if thinking := os.environ.get(THINKING):
        forms.install(thinking)


def main() -> None:
    """Train as the command line says."""
    train.main()
