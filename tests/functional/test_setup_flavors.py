# SPDX-License-Identifier: Apache-2.0
"""setup-flavors against the Nova of a real undercloud, with a flavor of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest

from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

FLAVOR: dict[str, Any] = {
    "name": "functional-flavor",
    "ram": 128,
    "vcpus": 1,
    "disk": 1,
    "extra_specs": {"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0"},
}


@pytest.fixture(scope="module")
def compute(undercloud: Workspace) -> Iterator[Any]:
    with openstack.connect(cloud=os.environ.get("OS_CLOUD", "undercloud")) as connection:
        yield connection.compute


@pytest.fixture(autouse=True)
def _clean(compute: Any) -> Iterator[None]:
    remove(compute)
    yield
    remove(compute)


def remove(compute: Any) -> None:
    flavor = compute.find_flavor(FLAVOR["name"])
    if flavor:
        compute.delete_flavor(flavor)


def said(folder: Path, flavor: dict[str, Any]) -> str:
    path = folder / "flavors.json"
    path.write_text(json.dumps({"flavors": [flavor]}))
    environment = {"OS_CLOUD": "undercloud", **os.environ}
    command = [sys.executable, "-m", "setupcloud.flavors", "-f", path]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def there(compute: Any) -> dict[str, Any]:
    flavor = compute.find_flavor(FLAVOR["name"], get_extra_specs=True)
    return {key: flavor[key] for key in FLAVOR}


def test_a_flavor_is_made_kept_and_replaced(compute: Any, tmp_path: Path) -> None:
    assert said(tmp_path, FLAVOR) == "created functional-flavor"
    assert there(compute) == FLAVOR
    assert said(tmp_path, FLAVOR) == "unchanged functional-flavor"
    identity = compute.find_flavor(FLAVOR["name"]).id
    other = FLAVOR | {"extra_specs": {"resources:VCPU": "1", "hw:cpu_policy": "shared"}}
    assert said(tmp_path, other) == "updated functional-flavor"
    assert there(compute) == other
    larger = FLAVOR | {"ram": 256, "extra_specs": {}}
    assert said(tmp_path, larger) == "replaced functional-flavor"
    assert there(compute) == larger
    # Others may refer to it; and nothing is left of the trial.
    assert compute.find_flavor(FLAVOR["name"]).id == identity
    names = [one.name for one in compute.flavors(is_public="None")]
    assert [name for name in names if name.startswith("setup-flavors-")] == []
