# SPDX-License-Identifier: Apache-2.0
"""Decides which images have to be built, and why. Reads cache and manifest, changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from altostratus.errors import InputError
from imagebuild import elements, manifest, recipes
from imagebuild.cache import IMAGES, LAYERS, Cache, all_unchanged
from imagebuild.images import Image
from imagebuild.recipes import Recipe


class Action(StrEnum):
    """What to do for a layer or an image."""

    BUILD = "build"
    CACHED = "cached"
    """Put it from the cache into the output directory."""
    CURRENT = "current"
    """Nothing: it is up to date in the output directory."""


@dataclass(frozen=True)
class Step:
    """One layer or image, and what to do about it."""

    recipe: Recipe
    image: Image | None
    """None for a base layer."""
    action: Action
    reasons: tuple[str, ...] = ()
    """Why it has to be built, for the user; empty if it need not."""
    force: bool = False
    """Build it even if it is in the cache."""


def make_plan(
    images: Sequence[Image], cache: Cache, directory: Path, force: bool = False
) -> list[Step]:
    """Return the steps for ``images`` in the output ``directory``: base layers first.

    ``force`` builds everything anew. Raises InputError that names all unknown releases and
    elements, and elements that do not fit together.
    """
    path = elements.search_path()
    bases = {release: recipes.base_recipe(release, path) for release in _releases(images)}
    there = manifest.published(directory)
    steps = [
        _image_step(
            image,
            recipe,
            cache,
            image.name in there and all_unchanged(directory, there[image.name]),
            there.get(image.name, {}).get("key"),
            force,
        )
        for image, recipe in zip(images, _recipes(images, bases, path), strict=True)
    ]
    needed = [step.image.release for step in steps if step.action is Action.BUILD and step.image]
    return [base_step(bases[r], cache, force) for r in dict.fromkeys(needed)] + steps


def _recipes(
    images: Sequence[Image], bases: Mapping[str, Recipe], path: Sequence[Path]
) -> list[Recipe]:
    """Return the recipes of ``images``; raises InputError with the problems of all of them."""
    found, problems, hint = [], [], None
    for image in images:
        if image.release not in recipes.RELEASES:
            known = ", ".join(recipes.RELEASES)
            problems.append(f"{image.name}: unknown release {image.release}; known: {known}")
        try:
            found.append(recipes.image_recipe(image, bases[image.release], path))
        except InputError as error:
            problems += [f"{image.name}: {line}" for line in error.message.splitlines()]
            hint = error.hint or hint
    if problems:
        raise InputError("\n".join(problems), hint)
    return found


def _releases(images: Sequence[Image]) -> list[str]:
    return list(dict.fromkeys(image.release for image in images))


def base_step(recipe: Recipe, cache: Cache, force: bool) -> Step:
    """Return the step for a base layer."""
    if not force and cache.find(LAYERS, recipe):
        return Step(recipe, None, Action.CACHED)
    return Step(recipe, None, Action.BUILD, reasons(recipe, cache, LAYERS, force), force)


def _image_step(
    image: Image,
    recipe: Recipe,
    cache: Cache,
    present: bool,
    key: str | None,
    force: bool,
) -> Step:
    if not force and present and key == recipe.key:
        return Step(recipe, image, Action.CURRENT)
    if not force and cache.find(IMAGES, recipe):
        return Step(recipe, image, Action.CACHED)
    return Step(recipe, image, Action.BUILD, reasons(recipe, cache, IMAGES, force), force)


def reasons(recipe: Recipe, cache: Cache, kind: str, force: bool) -> tuple[str, ...]:
    """Return why ``recipe`` must be built: what changed since its last build."""
    if force:
        return ("forced",)
    old = cache.last_inputs(kind, recipe.name)
    if old is None:
        return ("never built",)
    return tuple(recipes.changes(old, recipe.inputs)) or ("its file is missing or was changed",)
