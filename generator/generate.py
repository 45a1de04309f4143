# SPDX-License-Identifier: Apache-2.0
"""``generate-stacks``: writes everything that builds and deploys a cloud from its cloud file."""

import argparse
import contextlib
import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from altostratus.console import CommandParser, run_command
from altostratus.errors import AltostratusError, InputError, printable
from altostratus.hypervisors import HYPERVISORS

# Imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from generator.cloudfile.model import Cloud
    from generator.contracts.model import Contracts
    from generator.output.render import File
    from generator.plan.model import Plan
    from imagebuild.images import Image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SecretOptions:
    """Where secrets come from that OUT does not have.

    ``joined`` is the secrets file of the joined cloud, ``recover`` are files of what the cloud was
    deployed with; with ``new``, secrets that OUT has lost are made anew.
    """

    joined: Path | None = None
    recover: Sequence[Path] = ()
    new: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


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


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="generate-stacks",
        description="Generate Heat templates, networks, flavors, metadata and the image list of a "
        "cloud from its cloud file.",
    )
    parser.add_argument("cloud", metavar="CLOUD.yaml", type=Path, help="cloud file")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-o", "--output", metavar="OUT", type=Path, help="directory to write to")
    what.add_argument(
        "--images", action="store_true", help="print images.yaml alone and write nothing"
    )
    parser.add_argument(
        "--hypervisor",
        metavar="TYPE",
        choices=list(HYPERVISORS),
        help=f"hypervisor type of all roles, whatever the file says: {', '.join(HYPERVISORS)}",
    )
    parser.add_argument(
        "--joined-secrets",
        metavar="FILE",
        type=Path,
        help="secrets.yaml of the cloud that 'join' names (default: OUT/../NAME/secrets.yaml)",
    )
    parser.add_argument(
        "--recover-secrets",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="take secrets that a running cloud has from an instance's metadata.json, or from "
        "heat-env.json of devtest; may be repeated",
    )
    parser.add_argument(
        "--new-secrets",
        action="store_true",
        help="make new secrets for those that OUT has lost; a running cloud does not accept them",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if OUT is out of date",
    )
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing; print which files would be written or removed, and which lines differ",
    )
    return parser


def _options(args: argparse.Namespace) -> SecretOptions:
    return SecretOptions(args.joined_secrets, args.recover_secrets, args.new_secrets)


def _run(args: argparse.Namespace) -> int:
    if args.images:
        for option in ("check", "dry_run"):
            if getattr(args, option):
                name = f"--{option.replace('_', '-')}"
                raise InputError(f"{name} has nothing to compare with --images", "give -o OUT")
        from generator.output import render

        print(render.image_list(_read(args.cloud, args.hypervisor)[0]), end="")
        return 0
    if args.check or args.dry_run:
        return _compare(args)
    changed = _update(args.cloud, args.output, _options(args), args.hypervisor)
    for path in changed:
        logger.info("%s %s", "wrote" if path.exists() else "removed", path)
    if not changed:
        logger.info("%s is up to date", args.output)
    return 0


def _compare(args: argparse.Namespace) -> int:
    """Say what would change in the output directory: ``--check`` and ``--dry-run``."""
    from altostratus.files import lock_directory
    from generator.output import directory

    out = args.output
    plan = _plan(args.cloud, out, args.hypervisor)
    with lock_directory(out) if out.exists() else contextlib.nullcontext():
        files = _files(plan, args.cloud, out, _options(args))
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
        raise AltostratusError(f"{out} is stale: {', '.join(found)}", f"run {_command(args)}")
    if not found:
        logger.info("%s is up to date", out)
    return 0


def _command(args: argparse.Namespace) -> str:
    """Return the command that brings the output directory up to date, for the shell."""
    words = ["generate-stacks", args.cloud, "-o", args.output]
    words += ["--hypervisor", args.hypervisor] if args.hypervisor else []
    words += ["--joined-secrets", args.joined_secrets] if args.joined_secrets else []
    return shlex.join(map(str, words))


def _read(cloud_file: Path, hypervisor: str | None) -> "tuple[Cloud, Contracts]":
    from altostratus.datafiles import elements_path
    from altostratus.yamlfile import document
    from generator import cloudfile, contracts

    document.require(cloud_file, "name a cloud file; examples/ has some")
    known = contracts.load(elements_path())
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

    secrets = _secrets(plan, out, options)
    files = render.files(plan, templates_path(), secrets)
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
