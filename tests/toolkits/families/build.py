"""Makes tiny random models of real families, inside a toolkit's environment; ``families.yaml`` says which."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FIRST_SPECIAL = 151643  # ms-swift knows the media tokens of Qwen by their published ids


def make_tokenizer(family: dict[str, Any], corpus: Path, first: int | None) -> Any:
    """A byte-level tokenizer trained on a corpus; the family's control tokens have the ids from ``first`` on."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2TokenizerFast, __version__

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(map(json.loads, corpus.read_text().splitlines()), trainer)
    content = json.loads(trained.to_str())["model"]
    vocab, merges = content["vocab"], [tuple(pair) for pair in content["merges"]]
    vocab |= {f"<unused {number}>": number for number in range(len(vocab), first or 0)}  # no id may be missing
    vocab |= {token: place for place, token in enumerate(family["tokens"], len(vocab))}
    whole = Tokenizer(models.BPE(vocab, merges))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    whole.add_special_tokens(family["tokens"])
    # transformers 4 has processors of Qwen take their own class only; 5 would take that class's own merges
    kind = PreTrainedTokenizerFast if int(__version__.split(".")[0]) > 4 else Qwen2TokenizerFast
    return kind(
        tokenizer_object=whole,
        eos_token=family.get("eos", "<|im_end|>"),
        bos_token=family.get("bos"),
        pad_token=family["tokens"][0],
        extra_special_tokens=family.get("media", {}),
        model_max_length=8192,
        chat_template="{{ messages }}",
    )


def filled(given: Any, tokenizer: Any) -> Any:
    """A configuration with the ids of the tokens that it names."""
    if isinstance(given, dict):
        return {name: filled(value, tokenizer) for name, value in given.items()}
    if not isinstance(given, str) or not given.startswith("@"):
        return given
    own = {"@size": len(tokenizer), "@eos": tokenizer.eos_token_id, "@bos": tokenizer.bos_token_id}
    own["@pad"] = tokenizer.pad_token_id
    return own[given] if given in own else tokenizer.convert_tokens_to_ids(given[1:])


def make_processor(form: dict[str, Any], tokenizer: Any) -> Any:
    """The family's processor around a tokenizer."""
    import transformers

    def part(of: dict[str, Any]) -> Any:
        return getattr(transformers, of["class"])(**{name: value for name, value in of.items() if name != "class"})

    parts = {name: part(of) for name, of in form.items() if name not in ("class", "options")}
    made = getattr(transformers, form["class"])
    return made(tokenizer=tokenizer, **parts, **form.get("options", {}), chat_template=tokenizer.chat_template)


def make(family: dict[str, Any], out: Path, corpus: Path, first: int | None = None) -> None:
    """Write one family's model into a folder."""
    import torch
    import transformers

    tokenizer = make_tokenizer(family, corpus, first)
    processor = make_processor(family["processor"], tokenizer) if "processor" in family else tokenizer
    settings = filled(family["config"], tokenizer)
    config = transformers.AutoConfig.for_model(settings.pop("model_type"), **settings)
    torch.manual_seed(0)
    model = getattr(transformers, family["class"])(config)
    for weight in model.parameters():  # some classes start what they add with zeros: nothing would be seen
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.2)
    ends = [tokenizer.eos_token_id]
    for part in (model, getattr(model, "thinker", None)):
        if part is not None:
            part.generation_config.eos_token_id, part.generation_config.pad_token_id = ends, tokenizer.pad_token_id
    model.save_pretrained(out)
    if hasattr(model, "thinker"):
        torch.save({}, out / "spk_dict.pt")  # Qwen2.5-Omni is not loaded without its speakers' voices
    processor.save_pretrained(out)


def main() -> None:
    """``start.py build.py FOLDER``: the families of ``FOLDER/families.json``, which says of each toolkit's model."""
    folder = Path(sys.argv[1])
    for name, family in json.loads((folder / "families.json").read_text()).items():
        make(family, folder / name, folder / "corpus.jsonl", family.get("first"))
