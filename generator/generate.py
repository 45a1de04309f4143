# SPDX-License-Identifier: Apache-2.0
"""``generate-stacks``: writes everything that builds and deploys a cloud from its cloud file."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.console import CommandParser, run_command
from altostratus.errors import AltostratusError, InputError
from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile.kinds import FILES

# Imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from generator.cloudfile.model import Cloud
    from generator.contracts.model import Contracts
    from generator.output.render import File
    from imagebuild.images import Image

logger = logging.getLogger(__name__)


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
    """
    from generator.output import directory

    return directory.update(_files(cloud_file, out, joined_secrets, hypervisor), out)


def images(cloud_file: Path) -> "list[Image]":
    """Return the images that the roles of the cloud of ``cloud_file`` need.

    Raises InvalidInputError with every problem of the file.
    """
    from generator.output import render

    return render.images(_read(cloud_file, None)[0])


class _Parser(CommandParser):
    """Wants a cloud file and what to do with it, unless a schema is asked for."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse ``args`` as argparse does, and end with its message if something is missing."""
        found = super().parse_args(args, namespace)
        if found.schema:
            if found.cloud or found.check:
                self.error("--schema takes no cloud file and no --check")
            return found
        if not found.cloud:
            self.error("the following arguments are required: CLOUD.yaml")
        if not found.output and not found.images:
            self.error("one of the arguments -o/--output --images is required")
        return found


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="generate-stacks",
        description="Generate Heat templates, networks, flavors, metadata and the image list of a "
        "cloud from its cloud file.",
        epilog="Services are those of the elements here and of the directories in $ELEMENTS_PATH.",
    )
    parser.add_argument("cloud", nargs="?", metavar="CLOUD.yaml", type=Path, help="cloud file")
    _add_outputs(parser)
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
        "--check",
        action="store_true",
        help="write nothing; exit 1 if OUT is out of date",
    )
    return parser


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-o", "--output", metavar="OUT", type=Path, help="directory to write to")
    what.add_argument(
        "--images", action="store_true", help="print images.yaml alone and write nothing"
    )
    what.add_argument(
        "--schema",
        nargs="?",
        const="cloud",
        choices=list(FILES),
        metavar="KIND",
        help="print the JSON Schema of a kind of file, for editors, with the services that are "
        f"installed: {', '.join(FILES)} (default: cloud)",
    )


def _run(args: argparse.Namespace) -> int:
    if args.schema:
        return _print_schema(args)
    from imagebuild import elements, elementspath

    elementspath.note_replaced(elements.search_path())
    if args.images:
        if args.check:
            raise InputError("--check has nothing to compare with --images", "give -o OUT instead")
        from generator.output import render

        cloud = _read(args.cloud, args.hypervisor)[0]
        print(render.image_list(cloud, elementspath.own()), end="")
        return 0
    if args.check:
        return _check(args)
    changed = generate(args.cloud, args.output, args.joined_secrets, args.hypervisor)
    for path in changed:
        logger.info("%s %s", "wrote" if path.exists() else "removed", path)
    if not changed:
        logger.info("%s is up to date", args.output)
    return 0


def _print_schema(args: argparse.Namespace) -> int:
    from generator import contracts, schemas

    print(schemas.text(args.schema, contracts.installed), end="")
    return 0


def _check(args: argparse.Namespace) -> int:
    from generator.output import directory

    out = args.output
    files = _files(args.cloud, out, args.joined_secrets, args.hypervisor)
    if stale := directory.stale(files, out):
        names = ", ".join(str(path.relative_to(out)) for path in stale)
        raise AltostratusError(
            f"{out} is stale: {names}", f"run generate-stacks {args.cloud} -o {out}"
        )
    return 0


def _read(cloud_file: Path, hypervisor: str | None) -> "tuple[Cloud, Contracts]":
    from altostratus.yamlfile import document
    from generator import cloudfile, contracts

    document.require(cloud_file, "name a cloud file; examples/ has some")
    known = contracts.installed()
    return cloudfile.load(cloud_file, known, hypervisor), known


def _files(
    cloud_file: Path, out: Path, joined_secrets: Path | None, hypervisor: str | None
) -> "dict[str, File]":
    from altostratus.datafiles import templates_path
    from generator.output import names, render, secretstore
    from generator.plan import check_plan
    from generator.plan.resolve import resolve
    from imagebuild import elementspath

    plan = resolve(*_read(cloud_file, hypervisor))
    check_plan.check(plan)
    secrets = secretstore.load(out / names.SECRETS)
    if joined := plan.cloud.joined:
        theirs = joined_secrets or out.absolute().parent / joined.name / names.SECRETS
        secrets |= secretstore.inherited(plan, joined.name, theirs)
    files = render.files(plan, templates_path(), secrets, elementspath.own())
    if any((out / name).resolve() == cloud_file.resolve() for name in files):
        raise InputError(f"{cloud_file} would be overwritten", "write to another directory: -o OUT")
    _warn_of_limits(plan.cloud, files[names.stack(plan.cloud.name)], cloud_file)
    return files


def _warn_of_limits(cloud: "Cloud", template: "File", cloud_file: Path) -> None:
    from altostratus.yamlfile.problems import Mark
    from generator.heat import limits

    mark = Mark(str(cloud_file), 1, 1)
    for one in limits.check(cloud, len(template.text.encode()), mark):
        logger.warning("warning: %s [%s]\nhint: %s", one.message, one.check.id, one.hint)


if __name__ == "__main__":
    sys.exit(main())
