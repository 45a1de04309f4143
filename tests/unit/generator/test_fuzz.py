# SPDX-License-Identifier: Apache-2.0
"""Whatever is in a cloud file, it is either refused with places or becomes a whole stack."""

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from altostratus.datafiles import templates_path
from altostratus.yamlfile.problems import InvalidInputError
from generator import cloudfile, contracts
from generator.output import render
from generator.plan.resolve import resolve

SERVICES = contracts.load(Path(__file__).parent / "contracts")

CLOUD: dict[str, Any] = {
    "name": "fuzz",
    "hypervisors": ["lxc", "kvm"],
    "networks": {
        "ctlplane": {"cidr": "192.168.24.0/24", "gateway": "192.168.24.1"},
        "internal": {
            "vlan": 201,
            "cidr": "172.16.2.0/24",
            "pool": ["172.16.2.10", "172.16.2.99"],
            "routes": [{"destination": "10.0.0.0/8", "nexthop": "172.16.2.1"}],
        },
    },
    "service_network": "internal",
    "roles": {
        "all": {"services": ["infrastructure", "control"], "config": {"keystone": {"threads": 2}}},
        "compute": {
            "services": ["compute", "memcached", "-memcached"],
            "count": 2,
            "networks": ["internal"],
            "flavor": {"ram": 512},
            "config": {"compute-lxc": {"token": "x"}},
            "addresses": {"internal": ["172.16.2.5", "172.16.2.6"]},
        },
    },
}


def paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    return [path, *(one for key, value in inner for one in paths(value, (*path, key)))]


# Words that are right somewhere, so that mutations get past the form.
WORDS = st.sampled_from(
    ["lxc", "kvm", "flat", "vlan", "ctlplane", "internal", "all", "compute", "keystone", "glance"]
    + ["control", "-keystone", "compute-common", "mariadb", "192.168.24.0/25", "192.168.24.7"]
    + ["172.16.2.0/31", "0.0.0.0/0", "255.255.255.255", "10.0.0.1/32", "", "{self:name}", "a" * 60]
)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(-1, 300) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(paths(CLOUD)[1:]), st.sampled_from(["set", "drop", "copy"]), VALUES),
    min_size=1,
    max_size=4,
)


def mutated(mutations: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    tree: Any = copy.deepcopy(CLOUD)
    for (*path, last), action, value in mutations:
        parent = tree
        try:
            for key in path:
                parent = parent[key]
            if action == "set":
                parent[last] = value
            elif action == "drop":
                del parent[last]
            elif isinstance(parent, list):
                parent.append(copy.deepcopy(parent[last]))
            else:
                parent[f"{last}2"] = copy.deepcopy(parent[last])
        except (KeyError, IndexError, TypeError):
            continue
    return tree


@settings(
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(MUTATIONS)
def test_mutated_clouds(mutations: Any) -> None:
    text = yaml.safe_dump(mutated(mutations), sort_keys=False)
    try:
        cloud = cloudfile.parse(text.encode(), "f", SERVICES)
        files = render.files(resolve(cloud, SERVICES), templates_path(), {})
    except InvalidInputError as error:
        lines = text.count("\n") + 1
        for problem in error.problems:
            assert 1 <= problem.mark.line <= lines
            assert problem.message and problem.hint
    else:
        assert yaml.safe_load(files[f"{cloud.name}.yaml"].text)["resources"]


@settings(deadline=None, max_examples=200, suppress_health_check=[])
@given(st.text("name:roles{}[],\n -&*!|>'\"#%@`~0123\t", max_size=80) | st.binary(max_size=80))
def test_any_text(text: str | bytes) -> None:
    try:
        cloudfile.parse(text.encode() if isinstance(text, str) else text, "f", SERVICES)
    except InvalidInputError as error:
        assert all(problem.hint for problem in error.problems)
