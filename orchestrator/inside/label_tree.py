"""Answers as a tree over token ids: what several begin with stands in it once, and is computed once.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Node:
    """Some tokens in a row that are common to all answers that come through here.

    Attributes:
        tokens: the way from the parent to here; at least one.
        ends: the places of the answers that end here, in the list that the tree was made of.
        children: what may come next; no two begin with the same token.
    """

    tokens: tuple[int, ...]
    ends: list[int] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def read(self) -> int:
        """How many of its tokens a model must read: not the last one of an answer, behind which nothing is asked."""
        return len(self.tokens) - (not self.children)


def grow(answers: Sequence[Sequence[int]]) -> list[Node]:
    """The tree of some answers, as the nodes that may come first.

    Args:
        answers: token ids of each; at least one token.

    Raises:
        ValueError: an answer has no tokens.
    """
    if not all(answers):
        raise ValueError("an answer without tokens")
    return _grown(list(enumerate(answers)), 0)


def _grown(answers: Sequence[tuple[int, Sequence[int]]], begin: int) -> list[Node]:
    """The nodes behind some first tokens, which all of these answers have and go on from."""
    groups: dict[int, list[tuple[int, Sequence[int]]]] = {}
    for place, ids in answers:
        groups.setdefault(ids[begin], []).append((place, ids))
    nodes = []
    for group in groups.values():
        first, shortest = group[0][1], min(len(ids) for _, ids in group)
        end = begin + 1
        while end < shortest and all(ids[end] == first[end] for _, ids in group):
            end += 1
        ends = [place for place, ids in group if len(ids) == end]
        longer = [(place, ids) for place, ids in group if len(ids) > end]
        nodes.append(Node(tuple(first[begin:end]), ends, _grown(longer, end)))
    return nodes


def ways(nodes: Sequence[Node], before: tuple[int, ...] = ()) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The answers that a tree holds: the place and the tokens of each."""
    for node in nodes:
        tokens = before + node.tokens
        yield from ((place, tokens) for place in node.ends)
        yield from ways(node.children, tokens)
