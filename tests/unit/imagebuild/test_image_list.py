# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from altostratus.errors import InputError
from altostratus.yamlfile.problems import InvalidInputError
from imagebuild.images import Image, read_images, select

GOOD = """
images:
  - {name: c-keystone-lxc, role: keystone, hypervisor: lxc, release: bookworm,
     elements: [keystone], parameter: KeystoneImage}
  - {name: c-db-lxc, role: db, hypervisor: lxc, release: bookworm, elements: [mariadb]}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parse_images(text: str, name: str) -> list[Image]:
    """Read ``text`` from a file called ``name``."""
    Path(name).write_text(text, encoding="utf-8")
    return read_images(Path(name))


def test_good_list() -> None:
    keystone, db = parse_images(GOOD, "x")
    assert keystone == Image(
        "c-keystone-lxc", "keystone", "lxc", "bookworm", ("keystone",), "KeystoneImage"
    )
    assert db.parameter is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x:1:2: not YAML"),
        ("a: 1", "x:1:1: image list: 'images' is missing"),
        ("images: 1", "x:1:9: images: 1 is not a list"),
        ("images: [1]", "x:1:10: images: 1 is not a mapping"),
        ("images: []", "x:1:9: images: 0 items where at least 1 are needed"),
        ("images: " + "[" * 50_000, "nested deeper than 64 levels"),
        ("images: []\nimages: []", "x:2:1: duplicate key 'images'"),
        (GOOD.replace("role: db", "role: db, role: a"), "x:5:32: duplicate key 'role'"),
        (
            GOOD.replace("mariadb]", "mariadb], parameter: KeystoneImage"),
            "x:5:100: parameter: KeystoneImage is also in line 4",
        ),
        (GOOD.replace("[mariadb]", "mariadb"), "x:5:78: elements: 'mariadb' is not a list"),
        (GOOD.replace("[mariadb]", "[../x]"), "x:5:79: elements: '../x' is not the name of an el"),
        (GOOD.replace("c-db-lxc", "../../etc/passwd"), "name: '../../etc/passwd' is not a name"),
        (GOOD.replace("c-db-lxc", "-o"), "x:5:12: name: '-o' is not a name"),
        (GOOD.replace("role: db,", "role: 'a;b',"), "x:5:28: role: 'a;b' is not a name"),
        (GOOD.replace("hypervisor: lxc, release: bookworm, el", "hypervisor: xen, el"), "xen"),
        (GOOD.replace("hypervisor: lxc, r", "hypervisor: [lxc], partition: true, r"), "a list is"),
        (GOOD.replace("role: db", "rolle: db"), "x:5:22: unknown key 'rolle'"),
        (GOOD.replace("c-db-lxc", "c-keystone-lxc"), "x:5:12: name: c-keystone-lxc is also in li"),
        (GOOD.replace("KeystoneImage", "1"), "x:4:39: parameter: 1 is not a string"),
        (
            GOOD.replace("mariadb]", "mariadb], partition: 1"),
            "x:5:100: partition: 1 is not true or false",
        ),
        (
            GOOD.replace("mariadb]", "mariadb], partition: true"),
            "x:5:100: partition: there are no partition images for lxc .*\n.*to ironic",
        ),
    ],
)
def test_bad_lists(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_images(text, "x")


def test_every_problem_is_named_at_once() -> None:
    text = GOOD.replace("[mariadb]", "1").replace("role: keystone", "role: 1")
    text = text.replace("c-db-lxc", "c-keystone-lxc")
    with pytest.raises(InvalidInputError) as caught:
        parse_images(text, "x")
    assert [str(problem.mark) for problem in caught.value.problems] == [
        "x:3:34",
        "x:5:12",
        "x:5:84",
    ]


def test_parameters_may_differ_in_case_alone() -> None:
    """The roles foo-bar and foobar have the parameters FooBarImage and FoobarImage."""
    text = GOOD.replace("mariadb]", "mariadb], parameter: KeyStoneImage")
    assert [image.parameter for image in parse_images(text, "x")] == [
        "KeystoneImage",
        "KeyStoneImage",
    ]


def test_a_list_in_json(tmp_path: Path) -> None:
    image = {"name": "a", "role": "a", "hypervisor": "lxc", "release": "bookworm", "elements": []}
    path = tmp_path / "images.json"
    path.write_text(json.dumps({"images": [image]}))
    assert read_images(path) == [Image("a", "a", "lxc", "bookworm", ())]
    path.write_text(json.dumps({"images": [image | {"name": "n\U0001f600"}]}))
    with pytest.raises(InputError, match="name: 'n\U0001f600' is not a name"):
        read_images(path)


def test_aliases_do_not_explode() -> None:
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    with pytest.raises(InputError, match="more than 500000 values"):
        parse_images(f"a0: &a0 [x]\n{levels}images: *a8", "x")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_images(tmp_path / "none.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_images(tmp_path / "binary")
    with pytest.raises(InputError, match="Is a directory"):
        read_images(tmp_path)


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


def test_parts_of_an_image_have_names_too() -> None:
    """load-image --replace would delete the image that has the name of another one's kernel."""
    text = GOOD.replace("c-keystone-lxc", "node-kernel").replace("c-db-lxc", "node")
    assert len(parse_images(text, "x")) == 2
    with pytest.raises(InputError, match="x:3:12: name: node-kernel is what a part of node is"):
        parse_images(text.replace("role: db, hypervisor: lxc", "role: db, hypervisor: ironic"), "x")


def test_two_images_do_not_become_one() -> None:
    text = GOOD.replace("c-db-lxc", "c-keystone-kvm").replace(
        "db, hypervisor: lxc", "db, hypervisor: kvm"
    )
    images = parse_images(text, "x")
    with pytest.raises(InputError, match="two images would be called c-keystone-docker") as caught:
        select(images, ["docker"])
    assert "--role" in str(caught.value.hint)
    assert [one.name for one in select(images, ["docker"], ["db"])] == ["c-keystone-docker"]
    # The images of one role for two types are the same for a third.
    same = parse_images(
        text.replace("role: db", "role: keystone").replace("mariadb", "keystone"), "x"
    )
    assert [one.name for one in select(same, ["docker"])] == ["c-keystone-docker"]
