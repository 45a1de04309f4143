# SPDX-License-Identifier: Apache-2.0
"""The tree that a file is read into, with the place of every value, and the limits of its size."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altostratus.errors import InputError, printable
from altostratus.yamlfile import checks
from altostratus.yamlfile.problems import Check, InvalidInputError, Mark

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""What JSON can express."""

MAX_DEPTH = 64
MAX_NODES = 500_000
"""Values of a file after the expansion of aliases: a file of 1000 roles has about 30 000."""
MAX_BYTES = 64 * 2**20


@dataclass(slots=True)
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping of keys to nodes.

    ``keys`` are the places of a mapping's keys, ``size`` the number of nodes in the tree. ``lost``
    is what is missing for a reason that has been reported: keys of a mapping, texts of items.
    """

    mark: Mark
    value: None | bool | int | float | str | list["Node"] | dict[str, "Node"]
    keys: dict[str, Mark] = field(default_factory=dict)
    size: int = 1
    lost: frozenset[str] = frozenset()

    @property
    def items(self) -> list["Node"]:
        """The items of a list; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def fields(self) -> dict[str, "Node"]:
        """The values of a mapping by key; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def get(self, key: str) -> "Node | None":
        """Return the value of ``key`` if this is a mapping that has it."""
        return self.fields.get(key)

    def plain(self) -> Any:
        """Return the value without places: what ``json.loads`` would give."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value


def read(path: Path, hint: str = "name a file of text") -> bytes:
    """Return the content of the file ``path``.

    Raises InputError with ``hint`` if it cannot be read or is no regular file, of which nobody
    knows whether it ends, and InvalidInputError if it is larger than MAX_BYTES.
    """
    try:
        # A pipe without a writer is opened all the same.
        with open(path, "rb", opener=_open_at_once) as stream:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise unreadable(path, "not a regular file", hint)
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error), hint) from error
    if len(content) > MAX_BYTES:
        mark = Mark(str(path), 1, 1)
        message = f"larger than {MAX_BYTES // 2**20} MiB"
        raise failure(checks.SIZE, mark, message, "name a file of text")
    return content


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def unreadable(path: Path, reason: str, hint: str) -> InputError:
    """Return the error for a file that cannot be read."""
    return InputError(f"{printable(str(path), '')}: {reason}", hint)


def decode(content: bytes, name: str) -> str:
    """Return the UTF-8 text ``content`` of the file called ``name``; a byte order mark is left out.

    Raises InvalidInputError if it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from after the byte order mark.
        before = error.object[: error.start].decode()
        message = f"byte {error.object[error.start]:#04x} is not UTF-8"
        mark = Mark(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise failure(checks.ENCODING, mark, message, "save the file as UTF-8") from None


def too_deep(mark: Mark) -> InvalidInputError:
    """Return the error for a value that is nested deeper than MAX_DEPTH."""
    message = f"nested deeper than {MAX_DEPTH} levels"
    return failure(checks.DEPTH, mark, message, "write it flatter")


def too_large(mark: Mark, hint: str) -> InvalidInputError:
    """Return the error for a tree of more than MAX_NODES values."""
    return failure(checks.SIZE, mark, f"more than {MAX_NODES} values", hint)


def failure(check: Check, mark: Mark, message: str, hint: str) -> InvalidInputError:
    """Return the error for one problem, found by ``check``, that ends the reading of a file."""
    return InvalidInputError([check.at(mark, message, hint)])
