"""Merging one file's values over another's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checked_yaml.nodes import Node, at_node, merge, plain
from tests.recipe_files import JSON

TREE = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def merged(*trees: dict[str, Any]) -> Any:
    nodes = [at_node(tree, Node(None, "here")) for tree in trees]
    result = nodes[0]
    for node in nodes[1:]:
        result = merge(result, node)
    return plain(result)


@given(TREE)
def test_merging_nothing_changes_nothing(tree: dict[str, Any]) -> None:
    assert merged(tree, {}) == tree == merged({}, tree) == merged(tree, tree)


@given(TREE, TREE)
def test_merging_keeps_all_keys_and_the_later_values(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = merged(base, over)
    for key in base.keys() | over.keys():
        old, new = base.get(key), over.get(key)
        if key not in over:
            assert result[key] == old
        elif new is None and isinstance(old, dict):
            assert key not in result
        elif isinstance(old, dict) and isinstance(new, dict):
            assert result[key] == merged(old, new)
        else:
            assert result[key] == new
