# SPDX-License-Identifier: Apache-2.0
import subprocess
from pathlib import Path

import pytest
from diskimage_builder import paths

from altostratus.process import CommandError
from imagebuild import dib
from imagebuild.dib import PhaseTimes, Place, explained, write_prebuilt_root
from imagebuild.elements import search_path
from imagebuild.images import Image
from imagebuild.recipes import base_recipe, image_recipe

LOG = """\
2026-11-21 07:51:30.100 | dib-run-parts Running /tmp/in_target.d/install.d/01-package-installs
2026-11-21 07:51:31.100 | dib-run-parts ----------------------- PROFILING -----------------------
2026-11-21 07:51:31.100 | dib-run-parts
2026-11-21 07:51:31.100 | dib-run-parts Target: install.d
2026-11-21 07:51:31.100 | dib-run-parts
2026-11-21 07:51:31.100 | dib-run-parts Script                                     Seconds
2026-11-21 07:51:31.100 | dib-run-parts ---------------------------------------  ----------
2026-11-21 07:51:31.100 | dib-run-parts
2026-11-21 07:51:31.100 | dib-run-parts 01-package-installs                          0.829
2026-11-21 07:51:31.100 | dib-run-parts 50-tiny                                     10.171
2026-11-21 07:51:31.100 | dib-run-parts
2026-11-21 07:51:31.100 | dib-run-parts --------------------- END PROFILING ---------------------
"""


def test_phase_times_are_read_from_the_log() -> None:
    reported: list[tuple[str, float]] = []
    times = PhaseTimes(lambda phase, seconds: reported.append((phase, seconds)))
    for line in (LOG + LOG.replace("install.d", "root.d")).splitlines():
        times.feed(line)
    assert times.phases == {"install": 11.0, "root": 11.0}
    assert reported == [("install", 11.0), ("root", 11.0)]


def test_prebuilt_root_stands_for_what_is_inside(own_elements: Path, tmp_path: Path) -> None:
    base = base_recipe("bookworm", search_path())
    image = Image("t-tiny-lxc", "tiny", "lxc", "bookworm", ("tiny",))
    write_prebuilt_root(image_recipe(image, base, search_path()), tmp_path)
    element = tmp_path / "prebuilt-root"
    provides = (element / "element-provides").read_text().splitlines()
    depends = (element / "element-deps").read_text().splitlines()
    assert {"operating-system", "debian-minimal", "debootstrap", "instance-base"} <= set(provides)
    assert {"dpkg", "package-installs"} <= set(depends)
    assert not set(provides) & set(depends)
    # DISTRO_NAME, apt's lists, the machine id.
    for hook in (
        "environment.d/10-debian-minimal.bash",
        "cleanup.d/99-clean-up-cache",
        "finalise.d/99-clear-machine-id",
        "root.d/08-prebuilt-root",
    ):
        assert (element / hook).is_file()
    assert [path.name for path in (element / "root.d").iterdir()] == ["08-prebuilt-root"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("tar: root.tar: Wrote only 2048 bytes\ntar: No space left on device", "make room on"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "make room on"),
        ("Err:1 http://x y Temporary failure resolving 'x'", "name cannot be resolved"),
        ("E: Failed to fetch http://x/y.deb  404  Not Found", "a download failed"),
        ("E: Unable to locate package nosuch", "the release has no such package"),
        ("odd", "the whole log is"),
    ],
)
def test_failures_are_explained(tmp_path: Path, line: str, hint: str) -> None:
    log = tmp_path / "log"
    log.write_text(
        f"2026-11-21 07:57:02.597 | {line}\n2026-11-21 07:57:02.942 | Unmount /build/mnt/proc\n"
    )
    error = CommandError("x", returncode=1)
    shown = explained(error, "c-db-lxc", Place(tmp_path / "work", tmp_path, log))
    assert hint in str(shown.hint)
    assert str(log) in str(shown.hint)
    assert shown.message == f"building c-db-lxc failed (exit code 1)\n{line}"


def test_build_environment_is_made_of_known_things(
    own_elements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own DIB_* variables are no inputs, so they must not get in."""
    seen: dict[str, str] = {}

    def run(argv: list[str], **options: object) -> None:
        seen.update(options["env"])  # type: ignore[call-overload]
        seen["argv"] = " ".join(map(str, argv))

    monkeypatch.setenv("DIB_RELEASE", "sid")
    monkeypatch.setenv("OS_PASSWORD", "canary")
    monkeypatch.setattr(dib.process, "run", run)
    base = base_recipe("bookworm", search_path())
    place = Place(tmp_path / "work", tmp_path / "slot", tmp_path / "log")
    place.work.mkdir()
    mirrors = {"DIB_DISTRIBUTION_MIRROR": "http://mirror"}
    dib.build_root(base, None, place, mirrors, lambda phase, seconds: None)
    assert seen["DIB_RELEASE"] == "bookworm"
    assert seen["DIB_DISTRIBUTION_MIRROR"] == "http://mirror"
    assert "canary" not in str(seen)
    assert seen["argv"].startswith("unshare --mount --propagation private --pid")
    assert seen["argv"].endswith("debian-minimal instance-base directory-image")
    assert {p.name for p in (place.work / "elements").iterdir()} == set(base.elements)
    assert "break" not in seen


def test_the_root_can_be_left_behind(
    own_elements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DIB's check_break in its shell: what we have it run drops the trap that cleans up."""
    seen: dict[str, str] = {}
    monkeypatch.setattr(dib.process, "run", lambda argv, **options: seen.update(options["env"]))
    place = Place(tmp_path / "work", tmp_path / "slot", tmp_path / "log", keep_root=True)
    place.work.mkdir()
    base = base_recipe("bookworm", search_path())
    dib.build_root(base, None, place, {}, lambda phase, seconds: None)
    assert seen["DIB_NO_TMPFS"] == "1"
    library = Path(paths.get_path("lib"))
    script = f"""
        _LIB={library}; source {library}/common-functions
        trap "echo cleaned up" EXIT
        check_break before-extra-data ${{break_cmd:-bash}}; echo 1
        check_break before-root ${{break_cmd:-bash}}; exit 1
    """
    command = ["bash", "-c", script]
    variables = {"PATH": "/usr/bin:/bin", **{name: seen[name] for name in ("break", "break_cmd")}}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "1\n"), done.stderr
