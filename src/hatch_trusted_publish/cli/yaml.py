"""YAML as a tree with line numbers, within bounds.

Rules:

- Every scalar is a string: YAML 1.1 reads ``on`` as true and ``3.10`` as 3.1, the CIs do not.
- A key given twice is refused, since two readers could take either.
- Aliases are expanded only up to `MOST_NODES`: a few lines can stand for billions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from ..errors import Message, SettingsError

LARGEST: Final = 256 * 1024
"""Bytes of one file; parsing takes about a second for as many."""
MOST_NODES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, sequence or mapping."""

    line: int
    """The line of its key in a mapping; else of its start."""
    text: str = ""
    """The value of a scalar."""
    items: Sequence[Node] = ()
    """The items of a sequence."""
    members: Mapping[str, Node] | None = None
    """The members of a mapping."""
    file: str = ""
    """The path to show."""

    def get(self, *path: str) -> Node:
        """Return the member under *path*; an empty node on this line if it does not exist."""
        node = self
        for key in path:
            node = (node.members or {}).get(key, Node(node.line, file=node.file))
        return node

    def has(self, key: str) -> bool:
        return key in (self.members or {})

    def pairs(self) -> Iterator[tuple[str, Node]]:
        """The members of a mapping; the entries of a sequence of strings, or a single string, without a value."""
        if self.members is not None:
            yield from self.members.items()
        for one in self.items or ([self] if self.text else []):
            yield one.text, Node(one.line, file=one.file)

    def scalars(self) -> Iterator[Node]:
        """Every scalar below this node."""
        if self.text:
            yield self
        for one in (*self.items, *(self.members or {}).values()):
            yield from one.scalars()


def load(path: Path, shown: str) -> Node:
    """Parse one file.

    Args:
        shown: the path to show.

    Raises:
        SettingsError: it is too large, or it cannot be read in one way only.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise SettingsError("yaml-too-large", file=shown, limit=LARGEST // 1024)
    try:
        root = yaml.compose(data.decode(), Loader=yaml.SafeLoader)
        return Node(1, file=shown) if root is None else _Converter(shown).node(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(
            "yaml-invalid", file=shown, line=line, reason=Message("quoted", text=error.problem)
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = Message("quoted", text=type(error).__name__)
        raise SettingsError("yaml-invalid", file=shown, line=1, reason=reason) from None


class _Converter:
    def __init__(self, file: str) -> None:
        self._file, self._count = file, 0

    def node(self, node: yaml.Node, line: int = 0) -> Node:
        self._count += 1
        line = line or node.start_mark.line + 1
        if self._count > MOST_NODES:
            raise yaml.MarkedYAMLError(problem="more than 20,000 values", problem_mark=node.start_mark)
        match node:
            case yaml.ScalarNode():
                return Node(line, "" if node.tag.endswith(":null") else node.value, file=self._file)
            case yaml.SequenceNode():
                return Node(line, items=[self.node(one) for one in node.value], file=self._file)
        members: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in members:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} is given twice", problem_mark=key.start_mark)
            members[name] = self.node(value, key.start_mark.line + 1)
        return Node(line, members=members, file=self._file)
