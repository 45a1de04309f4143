# SPDX-License-Identifier: Apache-2.0
"""Secrets of a running cloud, found in what it was deployed with.

The metadata of an instance have the secrets of its services, at the places that the contracts say;
``heat-env.json`` of devtest has all of them by parameter.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from altostratus.errors import InputError
from altostratus.yamlfile import document
from altostratus.yamlfile.problems import Report
from generator.cloudfile import naming
from generator.contracts import secretkinds
from generator.contracts.references import Text, Value
from generator.plan.metadata import nested
from generator.plan.model import Plan


def recover(plan: Plan, files: Iterable[Path]) -> dict[str, str]:
    """Return the secrets of ``plan`` that the JSON ``files`` have, by Heat parameter.

    Raises InputError if two files differ, for a file without any secret, and for one that is not
    JSON.
    """
    found: dict[str, tuple[str, Path]] = {}
    for path in files:
        secrets = dict(_secrets(plan, _read(path)))
        if not secrets:
            hint = "give /run/altostratus/metadata.json of an instance: docs/secrets.md"
            raise InputError(f"{path}: it has no secret of this cloud", hint)
        for name, value in secrets.items():
            known, other = found.setdefault(name, (value, path))
            if known != value:
                hint = "give files of one cloud that were read at the same time"
                raise InputError(f"{path}: {name} is another one than in {other}", hint)
    return {name: value for name, (value, _) in found.items()}


def _read(path: Path) -> Any:
    document.require(path, "name a JSON file of an instance's metadata")
    report = Report()
    tree = document.load(path, report)
    report.raise_if_any()
    return tree.plain()


def _secrets(plan: Plan, content: Any) -> Iterator[tuple[str, str]]:
    kinds = {naming.secret_parameter(name): kind for name, kind in plan.secrets.items()}
    for name, value in _candidates(plan, content):
        if name in kinds and not secretkinds.wrong(kinds[name], value):
            yield name, value


def _candidates(plan: Plan, content: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, Mapping):
        return
    parameters = content.get("parameters")
    if isinstance(parameters, Mapping):
        yield from parameters.items()
    for keys in plan.metadata.values():
        yield from _aligned(nested(keys), content)


def _aligned(symbolic: Value, actual: Any) -> Iterator[tuple[str, Any]]:
    """Yield parameter and value wherever ``symbolic`` is a secret and ``actual`` has the place."""
    if isinstance(symbolic, Text):
        if symbolic.whole and symbolic.whole.kind == "secret":
            yield naming.secret_parameter(symbolic.whole.name), actual
    elif isinstance(symbolic, Mapping) and isinstance(actual, Mapping):
        for key, value in symbolic.items():
            if key in actual:
                yield from _aligned(value, actual[key])
    elif isinstance(symbolic, list | tuple) and isinstance(actual, list):
        # Items of other services may have come or gone: the values of such a list would be guesses.
        pairs = zip(symbolic, actual, strict=True) if len(symbolic) == len(actual) else ()
        for value, one in pairs:
            yield from _aligned(value, one)
