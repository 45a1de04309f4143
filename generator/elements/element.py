# SPDX-License-Identifier: Apache-2.0
"""An element as its checks see it, and all checks of one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from altostratus.errors import InputError
from altostratus.yamlfile.problems import Mark, Problem
from generator import contracts
from generator.contracts.model import Contract, Contracts
from imagebuild import elementspath


@dataclass(frozen=True)
class Element:
    """An element in ``folder``; ``folders`` are all elements that an image can have, by name."""

    folder: Path
    folders: Mapping[str, Path]
    contracts: Contracts

    @property
    def name(self) -> str:
        """Its name, which is that of its folder."""
        return self.folder.name

    @property
    def contract(self) -> Contract | None:
        """Its contract; None if it is no service and no base of one."""
        return self.contracts.by_name.get(self.name)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All its files in order."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return tuple(path for path in found if "__pycache__" not in path.parts)

    def below(self, *names: str) -> tuple[Path, ...]:
        """Return its files below any of the folders ``names`` of it."""
        return tuple(path for path in self.files if self.relative(path).parts[0] in names)

    def relative(self, path: Path) -> Path:
        """Return ``path`` as it is within the element."""
        return path.relative_to(self.folder)

    @cached_property
    def closure(self) -> tuple[str, ...]:
        """The names of the elements that come with it, itself included."""
        return contracts.element_closure(self.name, self.folders)

    @cached_property
    def keys(self) -> Mapping[str, bool]:
        """The keys that an instance with it gets, and whether each is a list or a mapping."""
        own = [self.contracts.by_name[one] for one in self.closure if one in self.contracts.by_name]
        names = {name for one in own for name in (*one.keys, *one.reads)}
        return {
            name: self.contracts.keys[name].schema["type"] in ("array", "object")
            for name in sorted(names)
            if name in self.contracts.keys
        }


def find(directories: list[Path], path: list[Path]) -> tuple[list[str], dict[str, Path]]:
    """Return the elements in ``directories`` (or that are ``directories``), and all there are.

    ``path`` is searched for what they depend on. Raises InputError if a directory does not exist,
    or has no element.
    """
    everything = elementspath.folders(path)
    names: dict[str, None] = {}
    problems = []
    for given in directories:
        directory = given.absolute()
        if not directory.is_dir():
            problems.append(
                f"{given}: {'not a directory' if given.exists() else 'no such directory'}"
            )
            continue
        single = directory.resolve()
        is_one = elementspath.is_element(directory)
        inside = {single.name: single} if is_one else elementspath.folders([directory])
        if not inside:
            problems.append(f"{given}: there is no element in it")
        names |= dict.fromkeys(inside)
        everything |= inside
    if problems:
        hint = "give elements, or directories of elements as in ELEMENTS_PATH"
        raise InputError("\n".join(problems), hint)
    return list(names), everything


def check(element: Element, *, with_contracts: bool = True) -> Iterator[Problem]:
    """Yield everything that is wrong with ``element``, but what dib-lint finds.

    Without contracts, because they have problems, only what needs none is checked.
    """
    from generator.elements import instance, scripts, structure

    yield from structure.check(element)
    yield from scripts.check(element)
    if with_contracts:
        yield from instance.check(element)


def top(path: Path) -> Mark:
    """Return the place of the first line of the file ``path``."""
    return Mark(str(path), 1, 1)
