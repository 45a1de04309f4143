# SPDX-License-Identifier: Apache-2.0
"""load-image with the real clients, over HTTP, against a Glance of one process.

What a real Glance makes of it is tested in tests/functional/test_load_image.py.
"""

import datetime
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from fakeglance import FakeGlance
from loading import EXT4, LXC, QCOW2, TAR, lxc, the_image

from imagebuild import load


def test_kernel_and_ramdisk_are_their_own_containers(
    glance: FakeGlance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "kernel.vmlinuz", tmp_path / "ramdisk.initramfs"]
    for path in paths:
        path.write_bytes(path.name.encode())
    assert load.main([str(path) for path in paths]) == 0
    found = [(one["disk_format"], one["container_format"]) for one in glance.images.values()]
    assert found == [("aki", "aki"), ("ari", "ari")]
    # No hypervisor type starts them, so there is nothing to warn of.
    assert "warning" not in capsys.readouterr().err


def test_upload(glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lxc(image, "--property", "os_distro=debian") == 0
    found = the_image(glance)
    assert found["name"] == "c-db-lxc"
    assert (found["disk_format"], found["container_format"]) == ("raw", "bare")
    assert found["size"] == len(EXT4)
    assert {**LXC, "os_distro": "debian"}.items() <= found.items()
    captured = capsys.readouterr()
    assert captured.out == f"{found['id']}\n"
    assert "upload" in captured.err


def test_json(glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lxc(image, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "version": 1,
        "kind": "images",
        "images": [
            {
                "name": "c-db-lxc",
                "id": the_image(glance)["id"],
                "file": str(image),
                "disk_format": "raw",
                "container_format": "bare",
                "properties": LXC,
            }
        ],
    }
    assert "upload" in captured.err


def test_same_content_and_properties_are_not_sent_again(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lxc(image)
    first = capsys.readouterr().out
    glance.requests.clear()
    assert lxc(image) == 0
    assert capsys.readouterr().out == first
    assert glance.methods() == []


def test_an_older_glance_tells_md5_only(glance: FakeGlance, image: Path) -> None:
    lxc(image)
    the_image(glance).update(os_hash_algo=None, os_hash_value=None)
    glance.requests.clear()
    lxc(image)
    assert glance.methods() == []


def test_other_properties_are_corrected_without_upload(glance: FakeGlance, image: Path) -> None:
    lxc(image)
    found = the_image(glance)
    found.update(hypervisor_type="kvm", mine="kept")
    glance.requests.clear()
    lxc(image, "--property", "new=1")
    assert glance.methods() == ["PATCH"]
    assert {**LXC, "new": "1", "mine": "kept"}.items() <= the_image(glance).items()


def test_tags_of_another_type_are_removed(glance: FakeGlance, image: Path) -> None:
    image.write_bytes(QCOW2)
    image_id = glance.add(name="x", disk_format="qcow2", container_format="bare", **LXC)
    glance.put_data(image_id, image.read_bytes())
    load.main(["--hypervisor", "kvm", "--name", "x", str(image)])
    assert the_image(glance)["hypervisor_type"] == "kvm"
    assert "hw_vm_mode" not in the_image(glance)


def test_other_content_is_a_new_image_and_the_old_one_stays(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lxc(image)
    image.write_bytes(EXT4 + b"other")
    assert lxc(image) == 0
    assert sorted(i["size"] for i in glance.images.values()) == [len(EXT4), len(EXT4) + 5]
    assert "--replace deletes them" in capsys.readouterr().err


def test_replace_deletes_images_of_exactly_that_name(glance: FakeGlance, image: Path) -> None:
    for name in ("c-db-lxc", "C-DB-LXC", "c-db-lxc-2", "c-db"):
        glance.put_data(glance.add(name=name, disk_format="raw", container_format="bare"), b"x")
    glance.add(name="c-db-lxc", disk_format="raw", container_format="bare")
    assert lxc(image, "--replace") == 0
    names = sorted(i["name"] for i in glance.images.values())
    assert names == ["C-DB-LXC", "c-db", "c-db-lxc", "c-db-lxc-2"]
    assert [i["size"] for i in glance.images.values() if i["name"] == "c-db-lxc"] == [len(EXT4)]


def test_what_a_killed_upload_left_is_deleted(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    formats = {"disk_format": "raw", "container_format": "bare"}
    left = glance.add(name="c-db-lxc", created_at="2026-11-21T08:00:00Z", **formats)
    # Somebody else may be sending this one.
    young = glance.add(name="c-db-lxc", created_at=now.isoformat(), **formats)
    assert lxc(image) == 0
    assert left not in glance.images
    assert young in glance.images
    assert f"delete an image without data, {left}" in capsys.readouterr().err


def test_replace_sends_first_and_deletes_then(glance: FakeGlance, image: Path) -> None:
    glance.put_data(glance.add(name="c-db-lxc", disk_format="raw", container_format="bare"), b"x")
    lxc(image, "--replace")
    assert glance.methods() == ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize("status", [401, 403, 409, 413, 500])
def test_failed_upload_leaves_no_empty_image(
    glance: FakeGlance, image: Path, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    glance.status_of["PUT"] = status
    assert lxc(image) == 1
    assert glance.images == {}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error: " in captured.err
    assert f"as the test wishes (HTTP {status})" in captured.err
    assert "internal error" not in captured.err
    assert "Traceback" not in captured.err


def test_damaged_upload_is_noticed_and_undone(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    glance.damage = True
    assert lxc(image) == 1
    assert "arrived damaged" in capsys.readouterr().err
    assert glance.images == {}


def test_untagged_image_is_refused_unless_wanted(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load.main([str(image)]) == 2
    assert "Nova may start it on hosts of any type" in capsys.readouterr().err
    assert not glance.images
    assert load.main([str(image), "--untagged"]) == 0
    assert "warning: c-db-lxc has no hypervisor_type" in capsys.readouterr().err
    assert the_image(glance)["disk_format"] == "raw"
    assert "hypervisor_type" not in the_image(glance)


@pytest.fixture
def manifest(image: Path) -> Path:
    second = image.with_name("c-web-lxc.raw")
    second.write_bytes(EXT4 + b"web")
    records = [
        {"name": path.stem, "file": path.name, "hypervisor": "lxc", "parameter": parameter}
        for path, parameter in ((image, "DbImage"), (second, None))
    ]
    for record, path in zip(records, (image, second), strict=True):
        digest = hashlib.sha512(path.read_bytes()).hexdigest()
        record |= {"size": path.stat().st_size, "mtime_ns": 0, "sha512": digest}
    path = image.with_name("manifest.json")
    path.write_text(json.dumps({"images": records}))
    return path


def test_manifest_beside_the_file_tells_the_type(
    glance: FakeGlance, image: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load.main([str(image)]) == 0
    assert LXC.items() <= the_image(glance).items()
    assert "warning" not in capsys.readouterr().err


def test_whole_manifest_and_environment(
    glance: FakeGlance, image: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = image.with_name("images-env.yaml")
    options = ["--manifest", str(manifest), "--environment", str(environment)]
    assert load.main(options) == 0
    ids = capsys.readouterr().out.split()
    by_name = {i["name"]: i["id"] for i in glance.images.values()}
    assert ids == [by_name["c-db-lxc"], by_name["c-web-lxc"]]
    assert yaml.safe_load(environment.read_text()) == {"parameter_defaults": {"DbImage": ids[0]}}


def test_known_digest_is_used(glance: FakeGlance, image: Path, manifest: Path) -> None:
    """The manifest's digest saves reading the file, as long as nobody wrote to it."""
    document = json.loads(manifest.read_text())
    record = document["images"][0]
    record["mtime_ns"] = image.stat().st_mtime_ns
    lxc(image)
    record["sha512"] = the_image(glance)["os_hash_value"]
    manifest.write_text(json.dumps(document))
    glance.requests.clear()
    assert load.main([str(image)]) == 0
    assert glance.methods() == []


def test_kvm_image_for_hosts_without_kvm(glance: FakeGlance, image: Path) -> None:
    image.write_bytes(QCOW2)
    assert load.main(["--hypervisor", "kvm", "--emulated", str(image)]) == 0
    assert the_image(glance)["hypervisor_type"] == "qemu"


def test_emulated_leaves_other_types_alone(glance: FakeGlance, image: Path, manifest: Path) -> None:
    assert load.main(["--emulated", "--manifest", str(manifest)]) == 0
    assert {found["hypervisor_type"] for found in glance.images.values()} == {"lxc"}


def test_kernel_and_ramdisk_of_a_partition_image(glance: FakeGlance, tmp_path: Path) -> None:
    disk = tmp_path / "c-node-ironic.qcow2"
    disk.write_bytes(QCOW2)
    record: dict[str, Any] = {"name": disk.stem, "file": disk.name, "hypervisor": "ironic"}
    digest = hashlib.sha512(QCOW2).hexdigest()
    record |= {"parameter": "NodeImage", "size": 0, "mtime_ns": 0, "sha512": digest}
    record["boot_files"] = {}
    for part in ("kernel", "ramdisk"):
        path = tmp_path / f"{disk.stem}.{part}"
        path.write_text(part)
        status = path.stat()
        digest = hashlib.sha512(part.encode()).hexdigest()
        known = {"file": path.name, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
        record["boot_files"][part] = {**known, "sha512": digest}
    (tmp_path / "manifest.json").write_text(json.dumps({"images": [record]}))
    assert load.main(["--manifest", str(tmp_path / "manifest.json")]) == 0
    images = {found["name"]: found for found in glance.images.values()}
    kernel, ramdisk = images[f"{disk.stem}-kernel"], images[f"{disk.stem}-ramdisk"]
    assert (kernel["disk_format"], kernel["container_format"]) == ("aki", "aki")
    assert (ramdisk["disk_format"], ramdisk["container_format"]) == ("ari", "ari")
    assert images[disk.stem]["kernel_id"] == kernel["id"]
    assert images[disk.stem]["ramdisk_id"] == ramdisk["id"]
    assert images[disk.stem]["hypervisor_type"] == "baremetal"
    glance.requests.clear()
    assert load.main([str(disk)]) == 0
    assert glance.methods() == []


@pytest.mark.parametrize(
    ("content", "hypervisor", "message"),
    [
        (b"image", "kvm", "is not a qcow2 file, as images for kvm are\n"),
        (TAR, "ironic", "is not a qcow2 file, as images for ironic are, but a tar file"),
        (QCOW2, "lxc", "is not an ext4 file system, as images for lxc are, but a qcow2 file"),
        (bytes(2048), "lxc", "is not an ext4 file system, as images for lxc are\n"),
        (EXT4, "docker", "is not a tar file, as images for docker are, but an ext4 file system"),
    ],
)
def test_file_of_another_type_is_refused(
    glance: FakeGlance,
    image: Path,
    content: bytes,
    hypervisor: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image.write_bytes(content)
    assert load.main(["--hypervisor", hypervisor, str(image)]) == 2
    assert message in capsys.readouterr().err
    assert glance.requests == []


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (EXT4, "lxc --property hypervisor_type=kvm", "lxc have hypervisor_type=lxc"),
        (QCOW2, "kvm --property hw_vm_mode=exe", "kvm have no hw_vm_mode"),
        (QCOW2, "kvm --property hypervisor_type=qemu", "kvm have hypervisor_type=kvm"),
        (QCOW2, "kvm --emulated --property hypervisor_type=kvm", "have hypervisor_type=qemu"),
    ],
)
def test_property_that_contradicts_the_type_is_refused(
    glance: FakeGlance,
    image: Path,
    content: bytes,
    arguments: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image.write_bytes(content)
    assert load.main([str(image), "--hypervisor", *arguments.split()]) == 2
    assert message in capsys.readouterr().err
    assert glance.requests == []


def test_property_that_the_type_has_anyway_is_no_contradiction(
    glance: FakeGlance, image: Path
) -> None:
    assert lxc(image, "--property", "hypervisor_type=lxc") == 0
    assert LXC.items() <= the_image(glance).items()


def test_container_format_must_fit_the_tag(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load.main([str(image), "--property", "hypervisor_type=docker"]) == 2
    assert "images for docker have the container format docker" in capsys.readouterr().err
    assert glance.requests == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": None}, "file: nothing is not a string"),
        ({"name": 3}, "name: 3 is not a string"),
        ({"sha512": None}, "sha512: nothing is not a string"),
        ({"hypervisor": ["lxc"]}, "hypervisor: a list is not a string or null"),
        ({"parameter": 1}, "parameter: 1 is not a string or null"),
        ({"boot_files": {"kernel": {}}}, "kernel: 'file' is missing"),
    ],
)
def test_record_that_is_not_one(
    glance: FakeGlance,
    manifest: Path,
    change: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = json.loads(manifest.read_text())
    document["images"][0] |= change
    manifest.write_text(json.dumps(document))
    assert load.main(["--manifest", str(manifest)]) == 2
    error = capsys.readouterr().err
    assert f"{manifest}:1:" in error and message in error and "\n    hint: " in error
    assert glance.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give image files, or --manifest"),
        (["a.raw", "--manifest", "m"], "give image files, or --manifest"),
        (["none.raw"], "no such file: none.raw"),
        (["c-db-lxc.raw", "--environment", "e"], "--environment needs --manifest"),
        (["c-db-lxc.raw", "x.odd", "--name", "n"], "--name is for one file"),
        (["x.odd"], "does not show the disk format"),
        (["c-db-lxc.raw", "--property", "novalue"], "--property takes KEY=VALUE"),
        (["c-db-lxc.raw", "--property", "id=1"], "--property takes KEY=VALUE"),
        (["c-db-lxc.raw", "--property", "=1"], "--property takes KEY=VALUE"),
        (["--manifest", "none.json"], "there is no manifest"),
        (["--manifest", "c-db-lxc.raw"], "c-db-lxc.raw:1:1082: byte 0xef is not UTF-8"),
    ],
)
def test_bad_arguments(
    glance: FakeGlance,
    image: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image.with_name("x.odd").touch()
    assert load.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert glance.requests == []


def test_missing_credentials(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("OS_CLOUD", "OS_AUTH_TYPE", "OS_ENDPOINT", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert lxc(image) == 2
    assert "error: no credentials for OpenStack" in capsys.readouterr().err
    monkeypatch.setenv("OS_CLOUD", "nowhere")
    assert lxc(image) == 2
    assert "nowhere" in capsys.readouterr().err


def test_unreachable_service(
    glance: FakeGlance,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OS_ENDPOINT", "http://127.0.0.1:9")
    assert lxc(image) == 1
    assert "error: Glance is unreachable" in capsys.readouterr().err


def test_images_of_the_same_name_are_named(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formats = {"disk_format": "raw", "container_format": "bare"}
    others = [glance.add(name="c-db-lxc", **formats) for _ in range(2)]
    for other in others:
        glance.put_data(other, b"x")
    assert lxc(image) == 0
    error = capsys.readouterr().err
    assert f"2 other image(s) are named c-db-lxc: {others[0]}, {others[1]}; --replace" in error
    assert "openstack image delete ID" in error


@pytest.mark.parametrize("key", [*load.RESERVED, "os_glance_import_task"])
def test_fields_of_glance_are_no_properties(
    glance: FakeGlance, image: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lxc(image, "--property", f"{key}=1", "--property", "=2") == 2
    error = capsys.readouterr().err
    assert f"{key}" in error and "not '=2'" in error
    assert glance.requests == []


def test_the_same_property_twice(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lxc(image, "--property", "os_distro=a", "--property", "os_distro=b") == 2
    assert "os_distro is given twice: 'a' and 'b'" in capsys.readouterr().err


def test_fields_are_those_that_glance_has() -> None:
    """What python-glanceclient knows of the schema of an image, but for custom properties."""
    from glanceclient.v2.image_schema import _BASE_SCHEMA

    base = {
        name
        for name, row in _BASE_SCHEMA["properties"].items()
        if row.get("is_base", True) is not False
    }
    assert base - {"kernel_id", "ramdisk_id"} <= load.RESERVED.keys()


REFUSALS = [
    *(300, 301, 302, 303, 305, 307, 308),
    *(*range(400, 419), 421, 422, 423, 424, 425, 426, 428, 429, 431, 451),
    *(*range(500, 509), 510, 511, 599),
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_refusal_is_explained(
    glance: FakeGlance, image: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No status is an internal error, and the reason that the server gave is always shown."""
    formats = {"disk_format": "raw", "container_format": "bare"}
    for status in REFUSALS:
        glance.images.clear()
        if method == "PATCH":
            glance.put_data(glance.add(name="c-db-lxc", **formats), EXT4)
        if method == "DELETE":
            glance.put_data(glance.add(name="c-db-lxc", **formats), b"old")
        glance.status_of = {method: status}
        expected = 0 if (method, status) == ("DELETE", 404) else 1
        assert lxc(image, "--replace") == expected, status
        captured = capsys.readouterr()
        assert "internal error" not in captured.err, (status, captured.err)
        if expected:
            assert captured.out == ""
            assert f"as the test wishes (HTTP {status})" in captured.err, (status, captured.err)


def test_a_file_that_is_not_the_manifests_is_refused(
    glance: FakeGlance, image: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them at once; size and time say nothing."""
    for path in (image, image.with_name("c-web-lxc.raw")):
        before = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load.main(["--manifest", str(manifest)]) == 2
    error = capsys.readouterr().err
    assert f"{image} is not the file of {manifest}" in error
    assert "c-web-lxc.raw is not the file of" in error
    assert "run build-images" in error
    assert glance.requests == []


def test_a_manifest_of_another_name_is_believed(
    glance: FakeGlance, image: Path, manifest: Path
) -> None:
    assert load.main(["--manifest", str(manifest.rename(manifest.with_name("m.json")))]) == 0
    assert {found["hypervisor_type"] for found in glance.images.values()} == {"lxc"}


def test_a_failed_clean_up_does_not_hide_the_failure(
    glance: FakeGlance, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    glance.status_of = {"PUT": 413, "DELETE": 403}
    assert lxc(image) == 1
    error = capsys.readouterr().err
    assert "error: Glance answers: as the test wishes (HTTP 413)" in error
    assert "without data is left" in error
