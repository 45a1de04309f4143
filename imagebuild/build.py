# SPDX-License-Identifier: Apache-2.0
"""The command build-images: images of roles for hypervisor types, by diskimage-builder."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.console import CommandParser, Progress, run_command
from altostratus.errors import AltostratusError, InputError
from altostratus.hypervisors import HYPERVISORS

# Imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from imagebuild.cache import Cache
    from imagebuild.images import Image
    from imagebuild.plan import Step

DEFAULT_CLOUD = "overcloud.yaml"
DEFAULT_JOBS = 2

# Takes the path of a cloud file; raises InputError if the file is wrong.
ImagesOf = Callable[[Path], "list[Image]"]


def main(argv: Sequence[str] | None = None, images_of: ImagesOf | None = None) -> int:
    """Run build-images with ``argv`` (None: the process's arguments); return the exit code.

    ``images_of`` returns the images of a cloud file. Without it there is no ``--cloud``, and an
    image list must be given.
    """
    parser = _parser(with_clouds=images_of is not None)
    return run_command(lambda args: _main(args, images_of), parser, argv)


def _parser(*, with_clouds: bool) -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="build-images",
        description="Build the images of a cloud's roles, unless they are up to date.",
        epilog="The cache is in $ALTOSTRATUS_CACHE, else in the user's cache directory.",
    )
    _add_choice_of_images(parser, with_clouds=with_clouds)
    add = parser.add_argument
    output = "directory for images, manifest.json and logs (default: %(default)s)"
    add("-o", "--output", type=Path, default=Path("images"), metavar="DIR", help=output)
    jobs = "images to build at the same time, at most one per CPU (default: %(default)s)"
    add("--jobs", type=int, default=DEFAULT_JOBS, metavar="N", help=jobs)
    dry_run = "show for each image whether and why it would be built, and build nothing"
    add("-n", "--dry-run", action="store_true", help=dry_run)
    explain = "as --dry-run, with every reason, and what differs between the last two builds"
    add("--explain", action="store_true", help=explain)
    add("--json", action="store_true", help="print the result as JSON")
    force = "also build what has not changed, from fresh packages"
    add("--force", action="store_true", help=force)
    keep = "keep the work directory of a build that fails, with its root, and say where it is"
    add("--keep-failed", action="store_true", help=keep)
    shell = "open a shell in the root of a build that fails; needs a terminal, implies --jobs 1"
    add("--shell-on-failure", action="store_true", help=shell)
    return parser


def _add_choice_of_images(parser: argparse.ArgumentParser, *, with_clouds: bool) -> None:
    source = parser.add_mutually_exclusive_group(required=not with_clouds)
    config = "image list (generate-stacks writes it)"
    source.add_argument("-c", "--config", type=Path, metavar="IMAGES.yaml", help=config)
    if with_clouds:
        cloud = f"cloud file whose images to build (default: the example {DEFAULT_CLOUD})"
        source.add_argument("--cloud", type=Path, metavar="FILE", help=cloud)
    ramdisk = "kernel and initramfs with which Ironic deploys nodes, instead of images"
    source.add_argument("--deploy-ramdisk", action="store_true", help=ramdisk)
    parser.add_argument(
        "--hypervisor",
        action="append",
        default=[],
        choices=list(HYPERVISORS),
        metavar="TYPE",
        help=f"build for this type ({', '.join(HYPERVISORS)}), not the listed ones; repeatable",
    )
    partition = "for ironic: one file system with kernel and ramdisk files, not a whole disk"
    parser.add_argument("--partition", action="store_true", help=partition)
    role = "only this role; repeatable"
    parser.add_argument("--role", action="append", default=[], metavar="NAME", help=role)


def _main(args: argparse.Namespace, images_of: ImagesOf | None) -> int:
    from imagebuild.cache import Cache, default_root

    if args.jobs < 1:
        raise InputError(f"--jobs must be at least 1, is {args.jobs}")
    if args.shell_on_failure and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError("--shell-on-failure needs a terminal", "use --keep-failed without one")
    cache, directory = Cache(default_root()), args.output.absolute()
    steps = _plan(args, images_of, cache, directory)
    if args.dry_run or args.explain:
        from imagebuild import explain

        explain.print_plan(steps, cache, directory, as_json=args.json, thoroughly=args.explain)
        return 0
    records = _build(steps, cache, directory, args)
    if args.json:
        print(json.dumps({"images": records}, indent=2))
    else:
        for record in records:
            print(directory / record["file"])
    return 0


def _plan(
    args: argparse.Namespace, images_of: ImagesOf | None, cache: "Cache", directory: Path
) -> list["Step"]:
    from altostratus import datafiles
    from imagebuild import elements, elementspath, images, plan, ramdisk

    if args.deploy_ramdisk:
        if args.hypervisor or args.role or args.partition:
            raise InputError(
                "--deploy-ramdisk cannot be combined with --hypervisor, --role or --partition"
            )
        return ramdisk.make_plan(ramdisk.RELEASE, cache, directory, args.force)
    if images_of and not args.config:
        listed = images_of(args.cloud or datafiles.examples_path() / DEFAULT_CLOUD)
    else:
        listed = images.read_images(args.config)
        if elementspath.VARIABLE not in os.environ:
            elementspath.adopt(images.read_elements_path(args.config))
    chosen = images.select(listed, args.hypervisor, args.role, partition=args.partition)
    steps = plan.make_plan(chosen, cache, directory, args.force)
    used = {name for step in steps for name in (*step.recipe.elements, *step.recipe.inside)}
    elementspath.note_replaced(elements.search_path(), used)
    return steps


def _build(
    steps: Sequence["Step"], cache: "Cache", directory: Path, args: argparse.Namespace
) -> list[dict[str, Any]]:
    from imagebuild import builder, dib, mirrors, ramdisk
    from imagebuild.plan import Action

    building = any(step.action is Action.BUILD for step in steps)
    if building:
        dib.check_path(cache.root)
    if building and os.geteuid() != 0:
        raise AltostratusError(
            "building images needs root: diskimage-builder uses chroot and mounts",
            "run the command with sudo; --dry-run works without",
        )
    job = builder.Job(
        cache=cache,
        directory=directory,
        mirrors=mirrors.mirror_options() if building else {},
        progress=Progress(args.quiet),
        stopping=threading.Event(),
        keep_failed=args.keep_failed,
        shell_on_failure=args.shell_on_failure,
    )
    if args.deploy_ramdisk:
        return ramdisk.carry_out(steps, job)
    # Two shells cannot share a terminal.
    jobs = 1 if args.shell_on_failure else min(args.jobs, os.cpu_count() or 1)
    return builder.carry_out(steps, job, jobs)


if __name__ == "__main__":
    sys.exit(main())
