# SPDX-License-Identifier: Apache-2.0
"""``generate-stacks``: writes everything that builds and deploys a cloud from its cloud file."""

import argparse
import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from altostratus.console import run_command
from altostratus.errors import AltostratusError, InputError, printable
from generator.arguments import SecretOptions, command, parser, secret_options

# Imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from generator.cloudfile.model import Cloud
    from generator.contracts.model import Contracts
    from generator.output.render import File
    from generator.plan.model import Plan
    from imagebuild.images import Image

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, parser(), argv)


def generate(
    cloud_file: Path,
    out: Path,
    joined_secrets: Path | None = None,
    hypervisor: str | None = None,
) -> list[Path]:
    """Write everything for the cloud of ``cloud_file`` into the directory ``out``.

    Secrets that ``out`` has are kept. Return the files that were written or removed; none if all
    were up to date. ``joined_secrets`` is the secrets file of the cloud that this one joins, by
    default beside ``out`` in the directory of its name. With ``hypervisor`` all roles are of that
    type. Raises InvalidInputError, before anything is written, if the file is wrong.

    Two at once in one directory wait for each other: each would make secrets of its own.
    """
    return _update(cloud_file, out, SecretOptions(joined=joined_secrets), hypervisor)


def _update(
    cloud_file: Path, out: Path, options: SecretOptions, hypervisor: str | None
) -> list[Path]:
    from altostratus.files import lock_directory
    from generator.output import directory

    plan = _plan(cloud_file, out, hypervisor)
    with lock_directory(out):
        return directory.update(_files(plan, cloud_file, out, options), out)


def images(cloud_file: Path) -> "list[Image]":
    """Return the images that the roles of the cloud of ``cloud_file`` need.

    Raises InvalidInputError with every problem of the file.
    """
    from generator.output import render

    return render.images(_read(cloud_file, None)[0])


def _run(args: argparse.Namespace) -> int:
    if args.schema:
        return _print_schema(args)
    from imagebuild import elements, elementspath

    elementspath.note_replaced(elements.search_path())
    if args.images:
        for option in ("check", "dry_run"):
            if getattr(args, option):
                name = f"--{option.replace('_', '-')}"
                raise InputError(f"{name} has nothing to compare with --images", "give -o OUT")
        from generator.output import render

        cloud = _read(args.cloud, args.hypervisor)[0]
        print(render.image_list(cloud, elementspath.own()), end="")
        return 0
    if args.check or args.dry_run:
        return _compare(args)
    changed = _update(args.cloud, args.output, secret_options(args), args.hypervisor)
    for path in changed:
        logger.info("%s %s", "wrote" if path.exists() else "removed", path)
    if not changed:
        logger.info("%s is up to date", args.output)
    return 0


def _print_schema(args: argparse.Namespace) -> int:
    from generator import contracts, schemas

    print(schemas.text(args.schema, contracts.installed), end="")
    return 0


def _compare(args: argparse.Namespace) -> int:
    """Say what would change in the output directory: ``--check`` and ``--dry-run``."""
    from altostratus.files import lock_directory
    from generator.output import directory

    out = args.output
    plan = _plan(args.cloud, out, args.hypervisor)
    with lock_directory(out) if out.exists() else contextlib.nullcontext():
        files = _files(plan, args.cloud, out, secret_options(args))
        stale = directory.stale(files, out)
        found = [
            f"{path.relative_to(out)} {directory.difference(path, files, out)}" for path in stale
        ]
        if args.dry_run:
            for path in stale:
                there = str(path.relative_to(out)) in files
                print("would write" if there else "would remove", printable(str(path), ""))
                print(printable(directory.lines_changed(path, files, out)), end="")
    if found and args.check:
        raise AltostratusError(f"{out} is stale: {', '.join(found)}", f"run {command(args)}")
    if not found:
        logger.info("%s is up to date", out)
    return 0


def _read(cloud_file: Path, hypervisor: str | None) -> "tuple[Cloud, Contracts]":
    from altostratus.yamlfile import document
    from generator import cloudfile, contracts

    document.require(cloud_file, "name a cloud file; examples/ has some")
    known = contracts.installed()
    return cloudfile.load(cloud_file, known, hypervisor), known


def _plan(cloud_file: Path, out: Path, hypervisor: str | None) -> "Plan":
    from generator.plan import check_plan
    from generator.plan.resolve import resolve

    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: not a directory", "name a directory, or a new one: -o OUT")
    plan = resolve(*_read(cloud_file, hypervisor))
    check_plan.check(plan)
    return plan


def _files(plan: "Plan", cloud_file: Path, out: Path, options: SecretOptions) -> "dict[str, File]":
    from altostratus.datafiles import templates_path
    from generator.output import names, render
    from imagebuild import elementspath

    secrets = _secrets(plan, out, options)
    files = render.files(plan, templates_path(), secrets, elementspath.own())
    if any((out / name).resolve() == cloud_file.resolve() for name in files):
        raise InputError(f"{cloud_file} would be overwritten", "write to another directory: -o OUT")
    _warn_of_limits(plan.cloud, files[names.stack(plan.cloud.name)], cloud_file)
    return files


def _secrets(plan: "Plan", out: Path, options: SecretOptions) -> dict[str, str]:
    """Return the secrets that are known, by Heat parameter."""
    from generator.cloudfile import naming
    from generator.output import names, recovery, secretstore

    found = secretstore.load(out / names.SECRETS, secretstore.kinds(plan))
    found |= recovery.recover(plan, options.recover)
    found |= {naming.secret_parameter(name): value for name, value in plan.given.items()}
    if not options.new:
        secretstore.require(plan, out, found.keys())
    if joined := plan.cloud.joined:
        theirs = options.joined or out.absolute().parent / joined.name / names.SECRETS
        found |= secretstore.inherited(plan, joined.name, theirs)
    return found


def _warn_of_limits(cloud: "Cloud", template: "File", cloud_file: Path) -> None:
    from altostratus.yamlfile.problems import Mark
    from generator.heat import limits

    mark = Mark(str(cloud_file), 1, 1)
    for one in limits.check(cloud, len(template.text.encode()), mark):
        logger.warning("warning: %s [%s]\nhint: %s", one.message, one.check.id, one.hint)


if __name__ == "__main__":
    sys.exit(main())
