# SPDX-License-Identifier: Apache-2.0
"""The command load-image: image files into Glance, tagged for their hypervisor type."""

import argparse
import contextlib
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from altostratus import jsonoutput
from altostratus.console import CommandParser, Progress, run_command
from altostratus.errors import InputError
from altostratus.hypervisors import HYPERVISORS, HypervisorType

# Glance's disk formats by file name extension, for files that build-images did not make.
DISK_FORMATS = {
    **{"qcow2": "qcow2", "raw": "raw", "img": "raw", "iso": "iso", "vmdk": "vmdk"},
    **{"vmlinuz": "aki", "initramfs": "ari"},
}

# Glance's disk and container formats of kernel and ramdisk.
BOOT_FORMATS = {"kernel": "aki", "ramdisk": "ari"}

# Fields of Glance's own, which it refuses as custom properties, with the way to set them: see
# _base_properties, _readonly_properties, _reserved_properties and _disallowed_properties in
# glance/api/v2/images.py.
_AFTERWARDS = "set it afterwards: openstack image set {} ID"
RESERVED = {
    "name": "use --name",
    **dict.fromkeys(("disk_format", "container_format"), "the type sets it: use --hypervisor"),
    "min_disk": _AFTERWARDS.format("--min-disk GB"),
    "min_ram": _AFTERWARDS.format("--min-ram MB"),
    "visibility": _AFTERWARDS.format("--public, --private, --shared or --community"),
    "protected": _AFTERWARDS.format("--protected"),
    "tags": _AFTERWARDS.format("--tag TAG"),
    "os_hidden": _AFTERWARDS.format("--hidden"),
    "owner": _AFTERWARDS.format("--project PROJECT"),
    **dict.fromkeys(
        (
            *("id", "status", "checksum", "size", "virtual_size", "created_at", "updated_at"),
            *("os_hash_algo", "os_hash_value", "direct_url", "self", "file", "schema", "stores"),
            *("location", "locations", "deleted", "deleted_at", "is_public"),
        ),
        "Glance sets it",
    ),
}
_RESERVED_NAMESPACE = "os_glance_"
# Characters, of Glance's tables image_properties and images.
_LONGEST_NAME = 255


def main(argv: Sequence[str] | None = None) -> int:
    """Run load-image with ``argv`` (None: the process's arguments); return the exit code."""
    return run_command(_main, _parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="load-image",
        description="Upload image files to Glance with the formats and properties of their "
        "hypervisor type. Images that are there already are not sent again. Prints the ids.",
        epilog="Credentials: OS_CLOUD with clouds.yaml, or OS_* variables.",
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="image file")
    _add_properties(parser)
    add("--name", help="name in Glance (default: the file's, without extension)")
    replace = "delete other images of exactly the same name"
    add("--replace", action="store_true", help=replace)
    manifest = "load every image of this manifest.json (build-images writes it)"
    add("--manifest", type=Path, metavar="FILE", help=manifest)
    environment = "with --manifest: write a Heat environment with the ids as parameters"
    add("--environment", type=Path, metavar="OUT.yaml", help=environment)
    jsonoutput.add_option(parser)
    return parser


def _add_properties(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hypervisor",
        choices=list(HYPERVISORS),
        metavar="TYPE",
        help=f"hypervisor type of the images ({', '.join(HYPERVISORS)}; "
        "default: what the manifest.json beside the file says)",
    )
    emulated = "tag kvm images for hosts that emulate, without KVM (hypervisor_type=qemu)"
    parser.add_argument("--emulated", action="store_true", help=emulated)
    untagged = "load images without a hypervisor type, which is refused otherwise"
    parser.add_argument("--untagged", action="store_true", help=untagged)
    custom = "further image property; repeatable"
    parser.add_argument("--property", action="append", default=[], metavar="KEY=VALUE", help=custom)


def _main(args: argparse.Namespace) -> int:
    _check(args)
    from imagebuild.glance import upload
    from imagebuild.glance.store import Glance
    from imagebuild.manifest import read_manifest

    extra = _properties(args.property)
    records = read_manifest(args.manifest) if args.manifest else {}
    if args.manifest:
        _check_digests(args.manifest, records.values())
        known = [(args.manifest.parent / record["file"], record) for record in records.values()]
    else:
        known = [(path, _known(path)) for path in args.files]
    uploads = [_upload(path, record, args, extra) for path, record in known]
    progress = Progress(args.quiet)
    for item in uploads:
        if not item.tagged:
            problem = f"{item.name} has no hypervisor_type: Nova may start it on hosts of any type"
            if not args.untagged:
                raise InputError(
                    problem,
                    "set it by --hypervisor TYPE, or load the image without it by --untagged",
                )
            progress.note(f"warning: {problem}")
    store = Glance()
    ids = []
    for item in uploads:
        with _alone(store.endpoint(), item.name, progress):
            ids.append(upload.load(item, store, args.replace, progress))
        if not args.json:
            print(ids[-1], flush=True)
    if args.environment:
        _write_environment(args.environment, list(records.values()), ids)
    if args.json:
        jsonoutput.print_report("images", {"images": list(map(_described, uploads, ids))})
    return 0


def _described(item: Any, image_id: str) -> dict[str, Any]:
    """Return what ``--json`` prints of an image (docs/json.md)."""
    return {
        "name": item.name,
        "id": image_id,
        "file": str(item.path),
        "disk_format": item.disk_format,
        "container_format": item.container_format,
        "properties": dict(item.properties),
    }


@contextlib.contextmanager
def _alone(endpoint: str, name: str, progress: Progress) -> Iterator[None]:
    """Keep others on this machine from loading an image of this name into the same cloud."""
    from altostratus import files
    from imagebuild.cache import default_root

    key = hashlib.sha256(f"{endpoint} {name}".encode()).hexdigest()[:32]
    lock = default_root() / "locks" / f"load-image-{key}"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.lock(lock, blocking=False))
        except BlockingIOError:
            progress.note(f"{name}: waiting for another load-image of this name")
            stack.enter_context(files.lock(lock))
        yield


def _check(args: argparse.Namespace) -> None:
    if bool(args.files) == bool(args.manifest):
        raise InputError("give image files, or --manifest", "load-image --help explains")
    if args.environment and not args.manifest:
        raise InputError("--environment needs --manifest, which names the parameters")
    if args.name and len(args.files) != 1:
        raise InputError("--name is for one file")
    missing = [str(path) for path in args.files if not path.is_file()]
    if missing:
        raise InputError(f"no such file: {', '.join(missing)}")


def _properties(options: Sequence[str]) -> dict[str, str]:
    properties: dict[str, str] = {}
    problems = []
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w:.-]*", key):
            problems.append(f"--property takes KEY=VALUE with a custom KEY, not {option!r}")
        elif key in RESERVED:
            problems.append(
                f"--property takes KEY=VALUE with a custom KEY: {key} is a field of Glance's own;"
                f" {RESERVED[key]}"
            )
        elif key.startswith(_RESERVED_NAMESPACE):
            problems.append(f"--property {key}: Glance keeps {_RESERVED_NAMESPACE}* for itself")
        elif len(key) > _LONGEST_NAME:
            problems.append(f"--property {key[:40]}…: the key is longer than {_LONGEST_NAME}")
        elif properties.get(key, value) != value:
            problems.append(f"--property {key} is given twice: {properties[key]!r} and {value!r}")
        properties[key] = value
    if problems:
        raise InputError("\n".join(problems))
    return properties


def _check_digests(manifest: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Raise InputError that names all files whose digests are not those of the manifest."""
    parts = [part for one in records for part in (one, *one.get("boot_files", {}).values())]
    paths = [(manifest.parent / part["file"], part) for part in parts]
    problems = [
        f"{path} is not the file of {manifest}: its digest is another one"
        if path.is_file()
        else f"the manifest names a file that is missing: {path}"
        for path, part in paths
        if not _has_digest(path, part)
    ]
    if problems:
        raise InputError("\n".join(problems), "run build-images, which makes it anew")


def _has_digest(path: Path, part: Mapping[str, Any]) -> bool:
    """Return whether ``path`` has the digest of its record: SHA-256, which is faster, if known."""
    from altostratus import files

    algorithm = "sha256" if part.get("sha256") else "sha512"
    return path.is_file() and files.digests(path, algorithm)[algorithm] == part[algorithm]


def _upload(
    path: Path, record: Mapping[str, Any], args: argparse.Namespace, extra: Mapping[str, str]
) -> Any:
    from imagebuild.formats import recognise
    from imagebuild.glance.upload import Upload
    from imagebuild.images import boot_name

    kind = HYPERVISORS.get(args.hypervisor or record.get("hypervisor", ""))
    properties = {**(kind.properties if kind else {}), **_emulated(kind, args)}
    if kind:
        _check_extra(kind, properties, extra)
    properties |= extra
    recognise.check(path, kind, properties)
    disk_format = kind.disk_format if kind else _disk_format(path)
    # A kernel or ramdisk is its own container.
    other = disk_format if disk_format in BOOT_FORMATS.values() else "bare"
    name = args.name or record.get("name") or path.stem
    return Upload(
        path=path,
        name=name,
        disk_format=disk_format,
        container_format=kind.container_format if kind else other,
        properties=properties,
        digests={"sha512": record["sha512"]} if args.manifest else {},
        boot_files={
            part: _boot_upload(boot_name(name, part), path.parent, part, known)
            for part, known in record.get("boot_files", {}).items()
        },
    )


def _check_extra(
    kind: HypervisorType, properties: Mapping[str, str], extra: Mapping[str, str]
) -> None:
    """Raise InputError for a ``--property`` that is the type's own, with another value."""
    from imagebuild.glance.upload import MANAGED

    for name in sorted(MANAGED & extra.keys()):
        if extra[name] != properties.get(name):
            own = f"{name}={properties[name]}" if name in properties else f"no {name}"
            raise InputError(
                f"--property {name}={extra[name]}: images for {kind.name} have {own}",
                "give the type by --hypervisor; --emulated is for kvm images on hosts without KVM",
            )


def _boot_upload(name: str, directory: Path, part: str, known: Mapping[str, Any]) -> Any:
    from imagebuild.glance.upload import Upload

    path = directory / known["file"]
    if not _has_digest(path, known):
        raise InputError(
            f"the {part} in the manifest is missing or was changed: {path}", "run build-images"
        )
    form = BOOT_FORMATS[part]
    return Upload(path, name, form, form, {}, {"sha512": known["sha512"]})


def _emulated(kind: HypervisorType | None, args: argparse.Namespace) -> dict[str, str]:
    """Return the properties that ``--emulated`` changes."""
    able = [kind] if kind else HYPERVISORS.values()
    emulated = [each.emulated_property for each in able if each.emulated_property]
    return {"hypervisor_type": emulated[0]} if args.emulated and emulated else {}


def _known(path: Path) -> dict[str, Any]:
    """Return the record of ``path`` in the manifest beside it, empty if it has none."""
    from imagebuild.manifest import published

    records = published(path.parent).values()
    return next((record for record in records if record["file"] == path.name), {})


def _disk_format(path: Path) -> str:
    try:
        return DISK_FORMATS[path.suffix.removeprefix(".").lower()]
    except KeyError:
        raise InputError(
            f"{path}: the name does not show the disk format", "give the type by --hypervisor"
        ) from None


def _write_environment(path: Path, records: Sequence[Mapping[str, Any]], ids: list[str]) -> None:
    import yaml

    from altostratus.files import write_text

    pairs = zip(records, ids, strict=True)
    parameters = {r["parameter"]: found for r, found in pairs if r.get("parameter")}
    head = "# Written by load-image: the images of the roles, by their ids in Glance.\n"
    write_text(path, head + yaml.safe_dump({"parameter_defaults": parameters}))


if __name__ == "__main__":
    sys.exit(main())
