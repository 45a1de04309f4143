# SPDX-License-Identifier: Apache-2.0
"""``generate-stacks``: from a cloud file to everything that builds and deploys the cloud."""

import argparse
import logging
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from generator import cloudfile, contracts, heat, output, processcheck, secretstore
from generator.cloud import Cloud, camel_case
from generator.output import File
from generator.resolve import Plan, resolve
from imagebuild.console import run_command
from imagebuild.datafiles import elements_path, templates_path
from imagebuild.errors import AltostratusError, InputError
from imagebuild.files import write_text
from imagebuild.hypervisors import HYPERVISORS

# heat/common/config.py: max_resources_per_stack, max_template_size.
HEAT_RESOURCES = 1000
HEAT_TEMPLATE_BYTES = 524_288

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
    were up to date. ``joined_secrets`` are the secrets.yaml of the cloud that this one joins, by
    default beside ``out`` in the directory of its name. With ``hypervisor`` all roles are of that
    type. Raises InvalidInputError, before anything is written, if the file is wrong.
    """
    files = _files(cloud_file, out, joined_secrets, hypervisor)
    stale = _stale(files, out)
    for path in stale:
        file = files.get(str(path.relative_to(out)))
        if file is None:
            path.unlink()
        else:
            write_text(path, file.text, file.mode)
    return stale


def images(cloud_file: Path, hypervisor: str | None = None) -> str:
    """Return the text of ``images.yaml`` for the cloud of ``cloud_file``; nothing is written."""
    return output.images(cloudfile.load(cloud_file, contracts.load(elements_path()), hypervisor))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="generate-stacks",
        description="Make Heat templates, networks, flavors, metadata and the list of images of "
        "a cloud from its cloud file.",
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
        "--check",
        action="store_true",
        help="write nothing; exit 1 if OUT is not what would be written",
    )
    return parser


def _run(args: argparse.Namespace) -> int:
    if args.images:
        print(images(args.cloud, args.hypervisor), end="")
        return 0
    if args.check:
        return _check(args)
    changed = generate(args.cloud, args.output, args.joined_secrets, args.hypervisor)
    for path in changed:
        logger.info("%s %s", "wrote" if path.exists() else "removed", path)
    if not changed:
        logger.info("%s is up to date", args.output)
    return 0


def _check(args: argparse.Namespace) -> int:
    out = args.output
    stale = _stale(_files(args.cloud, out, args.joined_secrets, args.hypervisor), out)
    if stale:
        names = ", ".join(str(path.relative_to(out)) for path in stale)
        raise AltostratusError(
            f"{out} is stale: {names}", f"run generate-stacks {args.cloud} -o {out}"
        )
    return 0


def _files(
    cloud_file: Path, out: Path, joined_secrets: Path | None, hypervisor: str | None
) -> dict[str, File]:
    if not cloud_file.is_file():
        raise InputError(f"{cloud_file}: no such file")
    known = contracts.load(elements_path())
    cloud = cloudfile.load(cloud_file, known, hypervisor)
    plan = resolve(cloud, known)
    processcheck.check(plan)
    secrets = secretstore.load(out / output.SECRETS) | _inherited(plan, out, joined_secrets)
    files = output.files(plan, known, templates_path(), secrets)
    _warn_of_limits(cloud, files)
    return files


def _inherited(plan: Plan, out: Path, given: Path | None) -> dict[str, str]:
    """Return the secrets, by Heat parameter, that belong to the cloud that this one joins."""
    if plan.cloud.joined is None or not plan.inherited:
        return {}
    path = given or out.absolute().parent / plan.cloud.joined.name / output.SECRETS
    known = secretstore.load(path)
    wanted = {camel_case(name) for name in plan.inherited}
    if missing := sorted(wanted - known.keys()):
        raise InputError(
            f"{path}: no {', '.join(missing)}, secrets of {plan.cloud.joined.name}",
            "run generate-stacks for that cloud first, or say where: --joined-secrets FILE",
        )
    return {name: known[name] for name in wanted}


def _warn_of_limits(cloud: Cloud, files: Mapping[str, File]) -> None:
    count, size = heat.resources_count(cloud), len(files[f"{cloud.name}.yaml"].text.encode())
    if count > HEAT_RESOURCES:
        logger.warning(
            "the stack has %d resources; Heat's max_resources_per_stack is %d by default",
            count,
            HEAT_RESOURCES,
        )
    if size > HEAT_TEMPLATE_BYTES:
        logger.warning(
            "%s.yaml has %d bytes; Heat's max_template_size is %d by default",
            cloud.name,
            size,
            HEAT_TEMPLATE_BYTES,
        )


def _stale(files: Mapping[str, File], out: Path) -> list[Path]:
    """Return what in ``out`` is missing, different, of another mode, or left from an older run."""
    different = [out / name for name, file in files.items() if not _is_same(out / name, file)]
    ours = [
        *(path for path in out.glob("*.yaml") if path.is_file() and _is_ours(path)),
        *out.glob("templates/server-*.yaml"),
        *out.glob("metadata/*.json"),
    ]
    return different + sorted(path for path in ours if str(path.relative_to(out)) not in files)


def _is_same(path: Path, file: File) -> bool:
    if not path.is_file() or stat.S_IMODE(path.stat().st_mode) != file.mode:
        return False
    return path.read_bytes() == file.text.encode()


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return any(output.MARK in line for _, line in zip(range(3), stream, strict=False))


if __name__ == "__main__":
    sys.exit(main())
