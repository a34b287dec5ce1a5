"""How probable each of a task's answers is: ``log p(answer | prompt)`` of every label, in the tokens that training
makes of it, the one that ends the turn included.

The prompt is read once, by the toolkit's own ``generate`` (`reading`): whatever a model does to prepare videos and
positions is done there. What it left in its cache is then gone on from, down a tree of the answers' tokens
(`label_tree`), so that what answers have in common is read once, too. Rows that are read together have as many tokens
each: nothing is padded behind the prompt, which caches with a window, or positions made from a width, would not stand.

torch is imported late, as in ``answerer.py``; transformers may be any from 4.40 to 5.6.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orchestrator.inside.label_tree import Node

# bytes for copies of the cache and for logits: fixed, so that the same rows are read together on every machine
ROOM = {"cuda": 2 << 30, "cpu": 256 << 20}
# caches that hold the keys and values of each token, row by row, and nothing that one row at a time would change
KNOWN = {"tuple", "DynamicCache", "DynamicLayer", "DynamicSlidingWindowLayer"}


@dataclass
class Reading:
    """What a language model was given first, and what it made of it."""

    given: dict[str, Any] = field(default_factory=dict)
    output: Any = None


class Rows(NamedTuple):
    """Texts that a model has read so far, a row each.

    Attributes:
        cache: the keys and values of what was read.
        mask: (rows, width) 1 for what counts, 0 for padding.
        places: (rows,) the position of the next token.
        logits: (rows, vocabulary) of the next token, float32.
        axes: in how many dimensions a position is given: 3 in Qwen2-VL and its kin, else 1.
    """

    cache: Any
    mask: Any
    places: Any
    logits: Any
    axes: int


class Step(NamedTuple):
    """A node of a request's tree that is to be read next: behind which row, and what the way to it comes to."""

    request: int
    row: int
    node: Node
    before: float


@contextmanager
def reading(model: Any) -> Iterator[Reading]:
    """Notes the first call of a language model within this context, which is to read prompts with a cache."""
    found = Reading()

    def note(_: Any, __: Any, given: dict[str, Any], output: Any) -> None:
        if found.output is None:
            found.given, found.output = given, output

    hook = model.register_forward_hook(note, with_kwargs=True)
    try:
        yield found
    finally:
        hook.remove()


def rows_of(model: Any, read: Reading) -> Rows:
    """Where a model stands behind some prompts; all of them end in the last column.

    Raises:
        SystemExit: the model remembers what it read in a way that this cannot go on from.
    """
    cache, mask = read.output.past_key_values, _mask(read.given)
    kinds = {type(part).__name__ for part in (cache, *getattr(cache, "layers", ()))}
    if kinds - KNOWN or any(hasattr(cache, name) for name in ("conv_states", "ssm_states")):
        raise SystemExit(
            f"inference.answers: labels is not possible with {type(model).__name__}, which remembers a prompt as "
            f"{', '.join(sorted(kinds))}: set it to free"
        )
    if not bool(mask[:, -1].all()):
        raise RuntimeError("prompts must be padded on the left")
    places, axes = _next_places(model, read, mask)
    return Rows(cache, mask, places, read.output.logits[:, -1].float(), axes)


def _mask(given: dict[str, Any]) -> Any:
    """What counts of the prompts that were read; all of it, where nothing was said of it."""
    import torch

    mask = given.get("attention_mask")
    if mask is not None and mask.dim() == 2:
        return mask
    if mask is not None:
        raise RuntimeError(f"an attention mask of {mask.dim()} dimensions tells no padding")
    first = next(given[name] for name in ("input_ids", "inputs_embeds") if given.get(name) is not None)
    return torch.ones(first.shape[:2], dtype=torch.long, device=first.device)


def _next_places(model: Any, read: Reading, mask: Any) -> tuple[Any, int]:
    """The position of what comes behind each prompt, and in how many dimensions the model wants positions."""
    given = read.given.get("position_ids")
    if given is not None and given.dim() == 3:
        return given[-3:].amax(dim=(0, 2)) + 1, 3
    holders = (model, getattr(model, "model", None))
    deltas = next((found for one in holders if (found := getattr(one, "rope_deltas", None)) is not None), None)
    if deltas is not None:
        return (mask.shape[1] + deltas.reshape(-1)).to(mask.device), 3
    return mask.sum(1), 1


def log_probabilities(
    model: Any, rows: Rows, trees: Sequence[Sequence[Node]], embed: Callable[[Any], Any] | None = None
) -> list[dict[int, float]]:
    """What each answer of each request's tree comes to: the sum of its tokens' log-probabilities.

    Args:
        model: a causal language model of transformers', or what is called as one.
        rows: behind each request's prompt.
        trees: of each request.
        embed: token ids to embeddings, of models whose forward does other things with ids.

    Returns:
        Of each request, by the answer's place.
    """
    found: list[dict[int, float]] = [{} for _ in trees]
    todo = [Step(at, at, node, 0.0) for at, nodes in enumerate(trees) for node in nodes]
    _descend(model, rows, todo, embed, found)
    return found


def _descend(
    model: Any, rows: Rows, todo: Sequence[Step], embed: Callable[[Any], Any] | None, found: list[dict[int, float]]
) -> None:
    """Go down from some rows, rows with as many tokens at a time."""
    chosen = _picked(rows.logits, [step.row for step in todo], [step.node.tokens[0] for step in todo])
    groups: dict[int, list[Step]] = {}
    for step, first in zip(todo, chosen, strict=True):
        step = step._replace(before=step.before + first)
        if step.node.read:
            groups.setdefault(step.node.read, []).append(step)
        else:
            found[step.request].update(dict.fromkeys(step.node.ends, step.before))
    for width, steps in groups.items():
        most = _most_rows(rows, width)
        for begin in range(0, len(steps), most):
            _read(model, rows, steps[begin : begin + most], embed, found)


def _read(
    model: Any, rows: Rows, steps: Sequence[Step], embed: Callable[[Any], Any] | None, found: list[dict[int, float]]
) -> None:
    """Read the tokens of some nodes, a row each, and go on behind those that have children."""
    import torch

    device, width = rows.mask.device, steps[0].node.read
    ids = torch.tensor([step.node.tokens[:width] for step in steps], device=device)
    chosen = torch.tensor([step.row for step in steps], device=device)
    mask = torch.cat([rows.mask[chosen], torch.ones_like(ids, dtype=rows.mask.dtype)], dim=1)
    places = rows.places[chosen][:, None] + torch.arange(width, device=device)
    output = model(
        **({"input_ids": ids} if embed is None else {"inputs_embeds": embed(ids)}),
        attention_mask=mask,
        position_ids=places if rows.axes == 1 else places.expand(rows.axes, -1, -1),
        past_key_values=_of_rows(rows.cache, chosen),
        use_cache=True,
        return_dict=True,
    )
    logits = output.logits.float()
    within = _within(logits, [step.node.tokens for step in steps])
    steps = [step._replace(before=step.before + more) for step, more in zip(steps, within, strict=True)]
    for step in steps:
        found[step.request].update(dict.fromkeys(step.node.ends, step.before))
    behind = Rows(output.past_key_values, mask, places[:, -1] + 1, logits[:, -1], rows.axes)
    todo = [Step(one.request, row, node, one.before) for row, one in enumerate(steps) for node in one.node.children]
    if todo:
        del output, logits
        _descend(model, behind, todo, embed, found)


def _picked(logits: Any, rows: Sequence[int], tokens: Sequence[int]) -> list[float]:
    """The log-probability of a token in each of some rows of (rows, vocabulary)."""
    import torch

    at = torch.tensor(rows, device=logits.device), torch.tensor(tokens, device=logits.device)
    chosen: list[float] = (logits[at] - logits.logsumexp(-1)[at[0]]).double().tolist()
    return chosen


def _within(logits: Any, answers: Sequence[Sequence[int]]) -> list[float]:
    """Of each row the sum of its tokens' log-probabilities, but the first's; logits (rows, tokens, vocabulary)."""
    import torch

    width = logits.shape[1]
    known = [[*ids[1 : width + 1], *[-1] * (width + 1 - len(ids))] for ids in answers]
    targets = torch.tensor(known, device=logits.device)
    values = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0] - logits.logsumexp(-1)
    sums: list[float] = values.double().masked_fill(targets < 0, 0.0).sum(1).tolist()
    return sums


def _of_rows(cache: Any, rows: Any) -> Any:
    """A cache of some rows of another, which stays as it is."""
    if isinstance(cache, tuple):
        return tuple(tuple(part.index_select(0, rows.to(part.device)) for part in layer) for layer in cache)
    fresh = copy.copy(cache)
    if hasattr(cache, "layers"):
        fresh.layers = [copy.copy(layer) for layer in cache.layers]
        for layer in fresh.layers:
            layer.keys, layer.values = (part.index_select(0, rows.to(part.device)) for part in _parts(layer))
    else:
        fresh.key_cache, fresh.value_cache = (
            [part.index_select(0, rows.to(part.device)) for part in parts]
            for parts in (cache.key_cache, cache.value_cache)
        )
    return fresh


def _parts(layer: Any) -> tuple[Any, Any]:
    return layer.keys, layer.values


def _most_rows(rows: Rows, width: int) -> int:
    """How many rows may be read together: copies of the cache, once more where tokens are added, and logits."""
    cache = rows.cache
    if isinstance(cache, tuple):
        parts = [part for layer in cache for part in layer]
    elif hasattr(cache, "layers"):
        parts = [part for layer in cache.layers for part in _parts(layer)]
    else:
        parts = [*cache.key_cache, *cache.value_cache]
    each: int = sum(part[0].numel() * part.element_size() for part in parts)
    each += 3 * 4 * width * rows.logits.shape[-1]
    return max(1, ROOM["cuda" if rows.mask.is_cuda else "cpu"] // each)
