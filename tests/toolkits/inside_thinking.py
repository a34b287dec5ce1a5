"""Runs inside a toolkit's environment for test_thinking.py: ``start.py inside_thinking.py TOOLKIT FOLDER``.

For each case of ``FOLDER/cases.json``: what the toolkit's own training reads of its ``train.json(l)``, what the runner
makes of the same requests, and how long the program that measures takes them to be; in ``FOLDER/report.json``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.toolkits.inside import module

TOOLKIT, FOLDER = sys.argv[1], Path(sys.argv[2])
Row = dict[str, Any]  # input_ids and labels of a sample, as training has them


def llamafactory(case: dict[str, Any]) -> list[Row]:
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    if not (FOLDER / "model").exists():
        sys.argv[1:] = [str(FOLDER / "init.json")]
        module("llamafactory", "init").main()
    model_args, data_args, training_args, _, _ = get_train_args(case["arguments"])
    tools = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(tools["tokenizer"], data_args)
    data = get_dataset(template, model_args, data_args, training_args, stage="sft", **tools)["train_dataset"]
    return [dict(row) for row in data]


def swift(case: dict[str, Any]) -> list[Row]:
    """As the program that the training starts with prepares it."""
    from swift.arguments import SftArguments
    from swift.dataset import load_dataset
    from swift.model import get_model_processor
    from swift.template import get_template
    from swift.utils import parse_args

    os.environ |= case["env"]
    module("swift", case["program"]).prepare()
    arguments, _ = parse_args(SftArguments, case["arguments"])
    _, processor = get_model_processor(
        str(FOLDER / "model"), load_model=False, model_type=arguments.model_type, use_hf=True
    )
    template = get_template(processor, **arguments.get_template_kwargs())
    template.set_mode("train")
    rows, _ = load_dataset(arguments.dataset, strict=True)
    return [template.encode(dict(row)) for row in rows]


def report(case: dict[str, Any], rows: list[Row]) -> list[dict[str, Any]]:
    """Training and inference of each sample beside each other."""
    runner = module(TOOLKIT, "infer")
    answerer = (runner.LlamaFactoryAnswerer if TOOLKIT == "llamafactory" else runner.SwiftAnswerer)(case["infer"])
    measured = module(TOOLKIT, "lengths")
    config = case["lengths"]
    (file,) = config["files"].values()
    lengths = [
        list(measured.lengths.lengths(measured.lengths.rows_of(file["path"]), measured.load(config, training)))
        for training in (True, False)
    ]
    tokenizer = answerer.tokenizer if TOOLKIT == "llamafactory" else answerer.template.tokenizer
    found = []
    for place, (row, request) in enumerate(zip(rows, case["requests"], strict=True)):
        encoded = answerer.encode(request)
        mine = list(encoded.ids if TOOLKIT == "llamafactory" else encoded["input_ids"])
        ids, labels = list(row["input_ids"]), list(row["labels"])
        learnt = [label for label in labels if label != -100]
        found.append(
            {
                "same": ids == mine + learnt,
                "asked": tokenizer.decode(mine),
                "learnt": tokenizer.decode(learnt),
                "lengths": [length[place] == len(ids) for length in lengths],
            }
        )
    if not case["answers"]:
        return found
    answers = answerer.generate([answerer.encode(request) for request in case["requests"]], 0)
    return [one | {"answer": answer[0], "finish": answer[1]} for one, answer in zip(found, answers, strict=True)]


def main() -> None:
    os.chdir(FOLDER)
    cases = json.loads((FOLDER / "cases.json").read_text())
    # first as they are trained: what the runner changes in swift stays
    trained = {name: {"llamafactory": llamafactory, "swift": swift}[TOOLKIT](case) for name, case in cases.items()}
    found = {name: report(case, trained[name]) for name, case in cases.items()}
    (FOLDER / "report.json").write_text(json.dumps(found, ensure_ascii=False))
