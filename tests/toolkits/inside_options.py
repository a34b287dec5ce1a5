"""Prints the fields of a toolkit's own argument classes, inside its environment: ``inside_options.py TOOLKIT``."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any


def classes(toolkit: str) -> Iterator[Any]:
    """The argument classes that a training is started with."""
    if toolkit == "llamafactory":
        from llamafactory.hparams import parser

        yield from parser._TRAIN_ARGS
    elif toolkit == "swift":
        from swift.arguments import SftArguments

        yield SftArguments
    else:
        if toolkit == "llava_next":
            from llava.train import train
        else:
            from videollama2 import train
        yield from (train.ModelArguments, train.DataArguments, train.TrainingArguments)


def main() -> None:
    names = {field.name for one in classes(sys.argv[1]) for field in dataclasses.fields(one) if field.init}
    print("FIELDS", json.dumps(sorted(names)))
