# SPDX-License-Identifier: Apache-2.0
"""Says what build-images would do and why, and how the last builds of an image differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagebuild import manifest, packages
from imagebuild.cache import IMAGES, Cache
from imagebuild.plan import Action, Step

FUTURE = {
    Action.BUILD: "would build",
    Action.CACHED: "would use the cache",
    Action.CURRENT: "current",
}
_MOST = 5


def print_plan(
    steps: Sequence[Step], cache: Cache, directory: Path, *, as_json: bool, thoroughly: bool
) -> None:
    """Print what would be done in the output ``directory``: a line for each step, or JSON.

    ``thoroughly`` adds all reasons and the history of each image, see ``history``.
    """
    rows = []
    for step in steps:
        row: dict[str, Any] = {
            "name": step.recipe.name,
            "kind": "image" if step.recipe.parent else "base layer",
            "action": str(step.action),
            "reasons": list(step.reasons),
            "key": step.recipe.key,
        }
        if thoroughly and step.recipe.parent:
            row["history"] = list(history(step, cache, directory))
        rows.append(row)
    if as_json:
        print(json.dumps({"plan": rows}, indent=2))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        print("\n".join(_lines(row, width, thoroughly)))


def history(step: Step, cache: Cache, directory: Path) -> Iterator[str]:
    """Yield in words what is known of the last builds of the image of ``step``.

    Builds with the same key differ by the packages that the mirror had renewed in between.
    """
    entry = cache.find(IMAGES, step.recipe)
    record = entry.record if entry else cache.newest(IMAGES, step.recipe.name)
    if record is None:
        return
    yield f"last built {record['built']}, key {_short(record['key'])}, {_content(record)}"
    if before := record.get("before"):
        when = f"{before['built']} ({_content(before)})"
        yield f"since the build of {when}: {_difference(record, before, before['packages'])}"
    there = manifest.published(directory).get(step.recipe.name)
    if there and there.get("sha256") != record.get("sha256"):
        known = _packages(directory / there["packages"])
        changed = packages.changes(known, record.get("packages", []))
        how = _difference(record, there, changed)
        yield f"{directory / there['file']} is an older build: {how}"


def _difference(
    record: Mapping[str, Any], before: Mapping[str, Any], changed: Sequence[str]
) -> str:
    if record.get("sha256") == before.get("sha256"):
        return "the same content"
    inputs = "the same inputs" if record["key"] == before.get("key") else "other inputs"
    return f"{inputs}; {', '.join(changed) if changed else 'the same packages, other content'}"


def _packages(path: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return []
    return found


def _lines(row: Mapping[str, Any], width: int, thoroughly: bool) -> Iterator[str]:
    reasons = row["reasons"] if thoroughly else _shortened(row["reasons"])
    why = f"  {'; '.join(reasons)}" if reasons else ""
    yield f"{row['name']:{width}}  {FUTURE[Action(row['action'])]}{why}"
    yield from (f"    {line}" for line in row.get("history", ()))


def _shortened(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - _MOST
    return [*reasons[:_MOST], f"and {more} more"] if more > 0 else list(reasons)


def _content(record: Mapping[str, Any]) -> str:
    return f"SHA-256 {_short(record.get('sha256') or 'unknown')}"


def _short(digest: str) -> str:
    return digest[:12]
