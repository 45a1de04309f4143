# SPDX-License-Identifier: Apache-2.0
"""Runs diskimage-builder for one layer or image, and explains its failures."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from altostratus import datafiles, process, space
from altostratus.errors import AltostratusError, InputError
from imagebuild import elementfiles, elements, formats
from imagebuild.isolation import isolated
from imagebuild.recipes import PREBUILT_ROOT, Recipe

# Hooks of elements in the layer below that layers on top need as well.
INHERITED_HOOKS = ("environment.d", "pre-finalise.d", "finalise.d", "cleanup.d")

# Free memory that a build in a tmpfs may want, in GiB: an image of 2 GiB and its packages.
TMPFS_NEED = 5

NETWORK_TIMEOUT = 30
"""Seconds without an answer after which a download fails."""
NETWORK_RETRIES = 2
SILENCE = 900.0
"""Seconds without a line of output after which a build is stopped; byte-compiling takes longest."""

# Bytes that a build may want where it works: its root, the archive of it, and packages.
BUILD_NEED = 3 * 2**30
LOG_NEED = 2**20

TAIL_LINES = 15

# In the log, "... | dib-run-parts " precedes each.
_TARGET = re.compile(r"dib-run-parts Target: (\S+)\.d$")
_TIMED = re.compile(r"dib-run-parts \S+\s+(\d+\.\d+)$")
# Output of the clean-up after a failure, which would hide the failure.
_TIDYING = re.compile(r"\| Unmount |State already cleaned")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \| ")
_END = re.compile(r"dib-run-parts -+ END PROFILING")

_NO_SPACE = (
    f"make room on {{work}}, where a build needs up to {BUILD_NEED} bytes"
    f" ({BUILD_NEED / 2**30:.0f} GiB), or set ALTOSTRATUS_CACHE to a larger disk"
)

_CAUSES = {
    **dict.fromkeys(space.SIGNS, _NO_SPACE),
    "Temporary failure resolving": "the mirror's name cannot be resolved: check the network and "
    "/etc/resolv.conf",
    "Connection timed out": "the mirror or a proxy does not answer: check the network, "
    "http_proxy and apt's sources; what is downloaded is kept",
    "Failed to fetch": "a download failed: check the network and the apt configuration, then run "
    "the same command again; what is downloaded is kept",
    "Could not connect to": "the mirror is unreachable: check the network and apt's sources",
    "No matching distribution found": "pip found no package: check the network and pip's "
    "configuration",
    "Unable to locate package": "the release has no such package: correct the element's "
    "package-installs.yaml or pkg-map",
}


@dataclass(frozen=True)
class Place:
    """Where one run works."""

    work: Path
    """Work directory of the build."""
    cache: Path
    """Directory for downloads (DIB_IMAGE_CACHE), used by one run at a time."""
    log: Path
    """File that takes the output."""
    keep_root: bool = False
    """Leave the root in the work directory if the run fails."""


def check_path(cache: Path) -> None:
    """Raise InputError if diskimage-builder cannot work below ``cache``.

    Its scripts split paths at blanks, and lists of directories at colons; so do mount's options, at
    commas, too.
    """
    if odd := sorted(set(re.findall(r"[^\w./+@%~-]", str(cache)))):
        shown = ", ".join(repr(character) for character in odd)
        raise InputError(
            f"diskimage-builder cannot work below {str(cache)!r}: its path has {shown}",
            "set ALTOSTRATUS_CACHE to a directory without such characters in its path",
        )


class PhaseTimes:
    """Reads the seconds that each phase took from diskimage-builder's output, line by line."""

    def __init__(self, report: Callable[[str, float], None]) -> None:
        """Call ``report`` with the name and the seconds of each phase when it has ended."""
        self.phases: dict[str, float] = {}
        self._report = report
        self._phase: str | None = None

    def feed(self, line: str) -> None:
        """Take the next line."""
        line = line.rstrip()
        if target := _TARGET.search(line):
            self._phase = target[1]
            self.phases.setdefault(self._phase, 0.0)
        elif self._phase and (timed := _TIMED.search(line)):
            self.phases[self._phase] += float(timed[1])
        elif self._phase and _END.search(line):
            self._report(self._phase, self.phases[self._phase])
            self._phase = None


def build_root(
    recipe: Recipe,
    parent: Path | None,
    place: Place,
    mirrors: Mapping[str, str],
    report: Callable[[str, float], None],
) -> tuple[Path, dict[str, float]]:
    """Build the root of ``recipe`` and return its tar archive and the seconds of each phase.

    ``parent`` is the archive of the layer below, None for a base. ``report`` is called with name
    and seconds of each phase.
    Raises AltostratusError with the end of the log and, where it is known, what to do.
    """
    for name in ("tmp", "dev", "elements", "locks"):
        (place.work / name).mkdir(exist_ok=True)
    with space.needed(place.work, BUILD_NEED):
        copy_elements(recipe, place.work / "elements")
    environment = _environment(recipe, place, mirrors)
    names = list(recipe.wanted)
    if parent:
        write_prebuilt_root(recipe, place.work / "elements")
        environment["ALTOSTRATUS_PREBUILT_ROOT"] = str(parent)
        names += [PREBUILT_ROOT]
    command = ["disk-image-create", "-a", recipe.architecture, "-n", "-t", "tar"]
    command += ["-o", str(place.work / "root"), *names]
    times = PhaseTimes(report)
    try:
        with space.needed(place.log, LOG_NEED):
            _run_isolated(command, environment, place, times.feed)
    except process.CommandError as error:
        raise explained(error, recipe.name, place) from error
    return place.work / "root.tar", times.phases


def copy_elements(recipe: Recipe, directory: Path) -> None:
    """Copy the elements of ``recipe``, which must be as they were when its key was computed.

    Only these: if one hides another, diskimage-builder's package-installs-squash would take the
    packages of both.
    """
    copies = {name: directory / name for name in recipe.elements}
    for name, source in recipe.elements.items():
        elementfiles.copy(source, copies[name])
    now = elements.file_digests(copies)
    then = {
        name: digest
        for name, digest in recipe.digests.items()
        if name.partition("/")[0] in recipe.elements
    }
    if changed := [name for name in sorted(now.keys() | then) if now.get(name) != then.get(name)]:
        raise AltostratusError(
            f"{recipe.name}: elements changed while images were being built: {', '.join(changed)}",
            "run the same command again",
        )


def write_prebuilt_root(recipe: Recipe, directory: Path) -> None:
    """Write the element prebuilt-root, completed for ``recipe``, below ``directory``.

    See elements/prebuilt-root/README.rst.
    """
    target = directory / PREBUILT_ROOT
    elementfiles.copy(datafiles.elements_path() / PREBUILT_ROOT, target)
    provides = ["operating-system", *recipe.inside]
    (target / "element-provides").write_text("".join(f"{name}\n" for name in provides))
    (target / "element-deps").write_text("".join(f"{name}\n" for name in recipe.again))
    for source in recipe.inside.values():
        elementfiles.copy(source, target, INHERITED_HOOKS)


def explained(error: process.CommandError, name: str, place: Place) -> AltostratusError:
    """Return the error of a failed run: the end of its log, with the likely cause as hint."""
    log = place.log.read_text(errors="replace")
    lines = [_STAMP.sub("", line) for line in log.splitlines() if not _TIDYING.search(line)]
    tail = "\n".join(lines[-TAIL_LINES:])
    hint = f"the whole log is {place.log}"
    for sign, cause in _CAUSES.items():
        if sign in log:
            hint = f"{cause.format(work=place.work.parent)}; {hint}"
            break
    how = f"exit code {error.returncode}" if error.returncode is not None else error.message
    return AltostratusError(f"building {name} failed ({how})\n{tail}", hint)


def _run_isolated(
    command: list[str],
    environment: Mapping[str, str],
    place: Place,
    on_line: Callable[[str], None],
) -> None:
    process.run(
        isolated(command, place.work),
        env=environment,
        cwd=place.work,
        log=place.log,
        on_line=on_line,
        silence=SILENCE,
        die_with_parent=True,
    )


def _environment(recipe: Recipe, place: Place, mirrors: Mapping[str, str]) -> dict[str, str]:
    # The usual directories come before those of the user's PATH, which `su` may have shortened.
    programs = [str(Path(sys.executable).parent), *STANDARD_PATH, os.environ.get("PATH", "")]
    temporary = str(place.work / "tmp")
    return {
        **mirrors,
        **OPTIONS_OF_THE_RUN,
        **recipe.options,
        # Pip's configuration here: elements fetch wheels outside the image.
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        **({} if _memory_for_tmpfs() else {"DIB_NO_TMPFS": "1"}),
        **(KEEP_ROOT if place.keep_root else {}),
        "PATH": ":".join(filter(None, programs)),
        "ALTOSTRATUS_APT_LIMITS": "\n".join(f"{limit};" for limit in APT_LIMITS),
        "DIB_MMDEBSTRAP_EXTRA_ARGS": " ".join(f"--aptopt='{limit}'" for limit in APT_LIMITS),
        "ALTOSTRATUS_PACKAGES": str(datafiles.packages_path()),
        "ELEMENTS_PATH": str(place.work / "elements"),
        "DIB_IMAGE_CACHE": str(place.cache),
        "DIB_LOCKFILES": str(place.work / "locks"),
        "TMP_DIR": temporary,
        "TMPDIR": temporary,
    }


APT_LIMITS = (
    f'Acquire::http::Timeout "{NETWORK_TIMEOUT}"',
    f'Acquire::https::Timeout "{NETWORK_TIMEOUT}"',
    f'Acquire::Retries "{NETWORK_RETRIES}"',
)
STANDARD_PATH = (*("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),)
# What a build inherits of the user's environment must not shape its result.
OPTIONS_OF_THE_RUN: Mapping[str, str] = {
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "TZ": "UTC",
    "USER": "root",
    # Of mkinitramfs, shadow, systemd-sysusers, py3compile and others instead of the time.
    "SOURCE_DATE_EPOCH": str(formats.EPOCH),
    # The order of sets and hashes reaches byte code and debconf's files.
    "PYTHONHASHSEED": "0",
    "PERL_HASH_SEED": "0",
    # A server that is silent for so many seconds fails a download; PIP_* of the user win.
    "PIP_DEFAULT_TIMEOUT": str(NETWORK_TIMEOUT),
    "PIP_RETRIES": str(NETWORK_RETRIES),
    # Of the disk image that the element directory-image prevents; diskimage-builder would spend
    # seconds on computing it.
    "DIB_IMAGE_SIZE": "1",
    "OVERWRITE_OLD_IMAGE": "1",
}
"""Variables of every run, whatever it builds."""

KEEP_ROOT: Mapping[str, str] = {
    # A tmpfs would end with the run.
    "DIB_NO_TMPFS": "1",
    # disk-image-create runs break_cmd in its own shell before the hooks root.d. This one drops the
    # trap that would unmount and remove the root after a failure; the mounts end with the run. See
    # "Debugging elements" in diskimage-builder's documentation, and check_break in its
    # common-functions. Its own "after-error" is for hooks that run inside the root only.
    "break": "before-root",
    "break_cmd": "trap - EXIT",
}
"""Variables that leave the root where it is when a run fails."""


def _memory_for_tmpfs() -> bool:
    try:
        meminfo = Path("/proc/meminfo").read_text()
    except OSError:
        return False
    available = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    return available is not None and int(available[1]) >= TMPFS_NEED * 2**20
