# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from altostratus.errors import InputError
from imagebuild.images import Image, parse_images, read_images, select

GOOD = """
images:
  - {name: c-keystone-lxc, role: keystone, hypervisor: lxc, release: bookworm,
     elements: [keystone], parameter: KeystoneImage}
  - {name: c-db-lxc, role: db, hypervisor: lxc, release: bookworm, elements: [mariadb]}
"""


def test_good_list() -> None:
    keystone, db = parse_images(GOOD, "x")
    assert keystone == Image(
        "c-keystone-lxc", "keystone", "lxc", "bookworm", ("keystone",), "KeystoneImage"
    )
    assert db.parameter is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x: not YAML"),
        ("a: 1", "'images' with a list is missing"),
        ("images: 1", "'images' with a list is missing"),
        ("images: [1]", r"images\[0\]: not a mapping"),
        ("images: []", "the list 'images' is empty"),
        ("images: " + "[" * 50_000, "nested too deeply"),
        ("images: []\nimages: []", "x:2: the key images is there already"),
        (GOOD.replace("role: db", "role: db, role: a"), "x:5: the key role is there already"),
        (GOOD.replace("mariadb]", "mariadb], parameter: KeystoneImage"), "KeystoneImage is used"),
        (GOOD.replace("[mariadb]", "mariadb"), r"images\[1\]: elements must be a list"),
        (GOOD.replace("[mariadb]", "[../x]"), r"images\[1\]: elements must be a list"),
        (GOOD.replace("c-db-lxc", "../../etc/passwd"), "name must be a name"),
        (GOOD.replace("c-db-lxc", "-o"), "name must be a name"),
        (GOOD.replace("role: db,", "role: 'a;b',"), "role must be a name"),
        (GOOD.replace("hypervisor: lxc, release: bookworm, el", "hypervisor: xen, el"), "xen"),
        (GOOD.replace("hypervisor: lxc, r", "hypervisor: [lxc], partition: true, r"), r"\['lxc'\]"),
        (GOOD.replace("role: db", "rolle: db"), "unknown key 'rolle'"),
        (GOOD.replace("c-db-lxc", "c-keystone-lxc"), "used more than once"),
        (GOOD.replace("KeystoneImage", "1"), "parameter must be a string"),
        (
            GOOD.replace("mariadb]", "mariadb], partition: 1"),
            "partition must be true or false, is 1",
        ),
        (
            GOOD.replace("mariadb]", "mariadb], partition: true"),
            "no partition images for lxc, only for ironic",
        ),
    ],
)
def test_bad_lists(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_images(text, "x")


def test_every_problem_is_named_at_once() -> None:
    text = GOOD.replace("[mariadb]", "1").replace("role: keystone", "role: 1")
    with pytest.raises(InputError) as caught:
        parse_images(text, "x")
    assert len(caught.value.message.splitlines()) == 2


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_images(tmp_path / "none.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_images(tmp_path / "binary")


def test_selection_by_role_and_type() -> None:
    images = parse_images(GOOD, "x")
    assert select(images) == images
    assert [image.role for image in select(images, roles=["db"])] == ["db"]
    assert select(images, hypervisors=["lxc"]) == images
    with pytest.raises(InputError, match="no such role: nova") as caught:
        select(images, roles=["nova"])
    assert "db, keystone" in str(caught.value.hint)


def test_of_several_types_the_listed_one_has_the_parameter() -> None:
    keystone = parse_images(GOOD, "x")[:1]
    assert select(keystone, ["docker"])[0].parameter == "KeystoneImage"
    chosen = select(keystone, ["docker", "lxc"])
    assert [(image.name, image.parameter) for image in chosen] == [
        ("c-keystone-docker", None),
        ("c-keystone-lxc", "KeystoneImage"),
    ]


def test_partition_images_where_the_type_has_them() -> None:
    images = parse_images(GOOD, "x")
    chosen = select(images, ["lxc", "ironic"], ["db"], partition=True)
    assert [(image.hypervisor, image.partition) for image in chosen] == [
        ("lxc", False),
        ("ironic", True),
    ]
    # A list that asks for one keeps it, but not for a type that has none.
    assert select(chosen, ["ironic"])[0].partition
    assert not select(chosen[1:], ["kvm"])[0].partition
