"""YAML to plain values that remember where they stand: the safe subset that recipes and the like need, read strictly.

Built on the parser's events, not on PyYAML's own construction, which is YAML 1.1: there ``no`` is false,
``1e-4`` is text, ``1:30`` is 90, ``012`` is 10 and the first of two equal keys is silently lost.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from orchestrator.checked_yaml.nodes import Node, Scalar, describe, height
from orchestrator.errors import InputError, Problem, hidden_hint
from orchestrator.machine.secrets import names_secret

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 20_000  # after every alias is expanded: a few lines of aliases can stand for billions of values

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,399})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNPRINTABLE = re.compile("[\\0\\ud800-\\udfff]")
# controls, and marks without a shape: a copy and paste brings them along. Not those that join letters or emoji
_UNSEEN = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_HINTS = {
    "cannot start any token": "text that starts with @, ` or % needs quotes; indent with spaces, not tabs",
    "tab character": "YAML indents with spaces, not tabs",
    "mapping values are not allowed": "text with `: ` in it needs quotes; or this line is indented too far",
    "did not find expected": "a colon, quote or bracket is missing, or the indentation is wrong",
    "could not find expected ':'": "a colon may be missing here or above",
    "unexpected end of stream": "a quote is not closed",
}
_BAD_CHARACTER = "a character that text files do not hold"


def scalar(text: str) -> Scalar:
    """What an unquoted scalar means. Only true and false are booleans; ``012`` and ``1:30`` stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdecimal() and math.isfinite(number := float(text)):
        return number
    return text


@dataclass(frozen=True)
class Document:
    """What was read.

    Attributes:
        root: the values.
        problems: what is wrong but leaves the rest readable (a duplicate key), by the outermost key that it stands
            under; under None, what stands under none.
    """

    root: Node
    problems: dict[str | None, list[Problem]]

    @property
    def all_problems(self) -> list[Problem]:
        """The problems of all keys."""
        return list(chain.from_iterable(self.problems.values()))


def read_file(path: Path, what: str) -> Document:
    """Read a YAML file, which messages call ``what`` (``a recipe``).

    Raises:
        InputError: it cannot be read at all, is no YAML, or is empty.
    """
    try:
        if path.is_dir():
            raise InputError("this is a folder, not a file", str(path))
        if not path.is_file():
            raise InputError("this is not a regular file" if path.exists() else "there is no such file", str(path))
        if (size := path.stat().st_size) > MAX_BYTES:
            raise InputError(f"this is not {what}: it holds {size:,} bytes", str(path))
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        where = f"{path}:{data.count(bytes([10]), 0, error.start) + 1}"
        raise InputError("this is not UTF-8 text", where, "save the file as UTF-8") from None
    document = read(text, lambda line, column: f"{path}:{line}:{column}")
    if document.root.value is None:
        raise InputError(f"the file is empty: it is to hold {what}", str(path))
    return document


def require(root: Node, kind: type[dict[str, Any]] | type[list[Any]], what: str) -> None:
    """See that the outermost value of a file is a mapping, or a list.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(root.value, kind):
        shape = "a mapping: lines of `key: value`" if kind is dict else "a list: lines of `- value`"
        raise InputError(f"{what} is {shape}", root.where)


def read(text: str, place: Callable[[int, int], str]) -> Document:
    """Read one YAML document; ``place`` turns a line and a column (from 1) into a position.

    Raises:
        InputError: not readable as YAML.
    """
    composer = None
    try:
        composer = _Composer(text, place)
        return Document(composer.document(), composer.problems)
    except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
        at = error.start if isinstance(error, UnicodeEncodeError) else int(error.position)
        where = place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise InputError(_BAD_CHARACTER, where, "delete it") from None
    except yaml.MarkedYAMLError as error:
        reason = error.problem or "unreadable"
        # what is never closed is best shown where it opens
        mark = (error.context_mark if "end of stream" in reason else None) or error.problem_mark
        where = place(mark.line + 1, mark.column + 1) if mark else place(1, 1)
        hint = next((hint for start, hint in _HINTS.items() if start in reason), "")
        problem = Problem(f"this is not valid YAML: {reason}", where, hint)
        before = chain.from_iterable(composer.problems.values()) if composer else ()
        raise InputError([*before, problem]) from None
    finally:
        if composer:
            composer.events.dispose()


class _Composer:
    """One document's events to nodes."""

    def __init__(self, text: str, place: Callable[[int, int], str]) -> None:
        # libyaml is ten times faster, but a wheel without it exists for some platforms
        self.events: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self.place = place
        self.problems: dict[str | None, list[Problem]] = {}
        self.key: str | None = None  # the outermost one that is being read
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.size = 0

    def at(self, event: Any) -> str:
        return self.place(event.start_mark.line + 1, event.start_mark.column + 1)

    def problem(self, message: str, event: Any, hint: str = "") -> None:
        self.problems.setdefault(self.key, []).append(Problem(message, self.at(event), hint))

    def hush(self, name: str, before: int) -> None:
        """Have the problems behind the first ones say nothing of the value that they are about: it is a secret."""
        said = self.problems.get(self.key, [])
        said[before:] = [
            Problem(f"the value of `{name}` cannot be read as it stands", one.where) for one in said[before:]
        ]

    def document(self) -> Node:
        self.events.get_event()
        if isinstance(self.events.peek_event(), yaml.StreamEndEvent):
            return Node(None, self.place(1, 1))
        self.events.get_event()
        node = self.node(0)
        self.events.get_event()
        if not isinstance(after := self.events.get_event(), yaml.StreamEndEvent):
            raise InputError("a second YAML document starts here", self.at(after), "keep one")
        return node

    def node(self, depth: int) -> Node:
        event = self.events.get_event()
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        start = self.size
        self.grow(1, event)
        self.check_depth(depth, event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(f"the tag `{tag}` is not read", event, "write the plain value, without a tag")
        if isinstance(event, yaml.ScalarEvent):
            quoted = event.style not in (None, "")
            text = _UNSEEN.sub("", event.value)
            if text != event.value:  # said once: what is seen is checked as it stands
                self.problem(f"`{event.value[:60]}` holds what cannot be seen", event, hidden_hint(event.value))
            node = Node(text if quoted else scalar(text), self.at(event))
            if quoted and _UNPRINTABLE.search(event.value):  # from an escape such as "\0"
                self.problem(_BAD_CHARACTER, event, "delete it")
                node = Node("", node.where)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self.sequence(depth), self.at(event))
        else:
            node = Node(self.mapping(depth), self.at(event))
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, self.size - start)
        return node

    def alias(self, event: Any, depth: int) -> Node:
        if event.anchor not in self.anchors:
            self.problem(f"`*{event.anchor}` refers to nothing above it", event)
            return Node(None, self.at(event))
        node, size = self.anchors[event.anchor]
        self.grow(size, event)
        self.check_depth(depth + height(node), event)
        return replace(node, key_where="")

    def grow(self, count: int, event: Any) -> None:
        self.size += count
        if self.size > MAX_VALUES:
            raise InputError(f"more than {MAX_VALUES:,} values, aliases expanded", self.at(event))

    def check_depth(self, depth: int, event: Any) -> None:
        if depth > MAX_DEPTH:
            raise InputError(f"values are nested more than {MAX_DEPTH} levels deep", self.at(event))

    def sequence(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(self.events.peek_event(), yaml.SequenceEndEvent):
            items.append(self.node(depth + 1))
        self.events.get_event()
        return items

    def mapping(self, depth: int) -> dict[str, Node]:
        items: dict[str, Node] = {}
        while not isinstance(key_event := self.events.peek_event(), yaml.MappingEndEvent):
            if not depth:  # the key's own faults are its entry's
                self.key = _UNSEEN.sub("", getattr(key_event, "value", ""))
            key = self.node(depth + 1)
            before = len(self.problems.get(self.key, ()))
            child = self.node(depth + 1)
            if isinstance(key.value, str) and names_secret(key.value):
                self.hush(key.value, before)
            if not isinstance(key.value, str):
                self.problem(f"a key must be text, not {describe(key.value)}", key_event, "put it in quotes")
            elif key.value == "<<" and not getattr(key_event, "style", None):
                self.problem(
                    "`<<` merge keys are not read", key_event, "write its keys out; recipes share them with `extends`"
                )
            elif key.value in items:
                hint = f"it stands already at {items[key.value].key_where}: remove one"
                self.problem(f"duplicate key `{key.value}`", key_event, hint)
            else:
                items[key.value] = replace(child, key_where=self.at(key_event))
        if not depth:
            self.key = None
        self.events.get_event()
        return items
