# SPDX-License-Identifier: Apache-2.0
"""What Heat would refuse, or silently ignore, in generated stacks: checked without Heat."""

import json
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from altostratus.datafiles import elements_path, examples_path, templates_path
from altostratus.hypervisors import HYPERVISORS
from generator import cloudfile, contracts
from generator.cloudfile.model import camel_case
from generator.contracts.model import Contracts
from generator.heat import limits
from generator.output import names, render
from generator.plan.resolve import resolve

GOLDEN = Path(__file__).parents[2] / "golden"
CLOUDS = [*sorted(examples_path().glob("*.yaml")), *sorted(GOLDEN.glob("*/cloud.yaml"))]
SERVERS = sorted(templates_path().glob("server-*.yaml"))


class Stack:
    """The files of a cloud, parsed."""

    def __init__(self, cloud_file: Path, known: Contracts) -> None:
        self.cloud = cloudfile.load(cloud_file, known)
        self.files = render.files(resolve(self.cloud, known), templates_path(), {})
        self.root = self.load(f"{self.cloud.name}.yaml")
        self.environment = self.load("environment.yaml")
        self.images = self.load("images.yaml")["images"]
        self.secrets = self.load("secrets.yaml")["parameter_defaults"]

    def load(self, name: str) -> Any:
        return yaml.safe_load(self.files[name].text)


@pytest.fixture(params=CLOUDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def stack(request: pytest.FixtureRequest, services: Contracts) -> Stack:
    is_example = request.param.parent == examples_path()
    return Stack(request.param, contracts.load(elements_path()) if is_example else services)


def calls(tree: Any, function: str) -> Iterator[Any]:
    """Yield the arguments of every call of ``function`` in ``tree``."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == function and len(tree) == 1:
                yield value
            yield from calls(value, function)
    elif isinstance(tree, list):
        for item in tree:
            yield from calls(item, function)


def first(argument: Any) -> str:
    return argument[0] if isinstance(argument, list) else argument


def references(tree: Any) -> set[str]:
    return {first(one) for name in ("get_resource", "get_attr") for one in calls(tree, name)}


def groups(root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the groups of instances: (resource name, the definition of a member)."""
    for name, resource in root["resources"].items():
        definition = resource["properties"].get("resource_def")
        if definition and definition["type"].startswith("OS::Altostratus::"):
            yield name, definition


def check_template(template: dict[str, Any]) -> None:
    parameters = {first(one) for one in calls(template, "get_param")}
    assert parameters == set(template["parameters"])
    resources = template["resources"]
    assert references(template) <= set(resources)
    # Raises CycleError.
    list(
        TopologicalSorter({name: references(one) for name, one in resources.items()}).static_order()
    )
    assert isinstance(template["heat_template_version"], str)


def test_root_template(stack: Stack) -> None:
    check_template(stack.root)


@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.stem)
def test_server_template(path: Path) -> None:
    template = yaml.safe_load(path.read_text())
    check_template(template)
    assert path.stem.removeprefix("server-") in HYPERVISORS
    reference = yaml.safe_load((templates_path() / "server-lxc.yaml").read_text())
    assert set(template["parameters"]) == set(reference["parameters"])
    assert set(template["outputs"]) == set(reference["outputs"])


def test_every_type_has_a_template() -> None:
    assert {f"server-{name}.yaml" for name in HYPERVISORS} == {path.name for path in SERVERS}


def test_server_templates_differ_only_where_their_types_do() -> None:
    parsed = {}
    for path in SERVERS:
        template = yaml.safe_load(path.read_text())
        type_ = path.stem.removeprefix("server-")
        server = template["resources"]["server"]["properties"]
        inputs = template["resources"]["deployment"]["properties"]["input_values"]["map_merge"]
        assert inputs[1].pop("hypervisor-type") == type_
        ports = server.pop("networks")["if"][1]["get_param"][-1]
        assert ports == ("untagged" if type_ == "ironic" else "networks")
        assert server.pop("scheduler_hints") == {"hypervisor_type": type_}
        # A virtual machine asks the metadata service.
        assert server.pop("config_drive", False) == (type_ != "kvm")
        del template["description"]
        parsed[type_] = template
    assert all(one == parsed["lxc"] for one in parsed.values())


MIXED = examples_path() / "overcloud-mixed.yaml"


def generated(known: Contracts, type_: str | None) -> dict[str, str]:
    """Return the files of the mixed example, with all roles of one type."""
    cloud = cloudfile.load(MIXED, known, type_)
    plan = resolve(cloud, known)
    secrets = {camel_case(name): f"the secret {name}" for name in plan.secrets}
    files = render.files(plan, templates_path(), secrets)
    return {name: file.text for name, file in files.items() if name != names.SECRETS}


@pytest.mark.parametrize("type_", [None, *HYPERVISORS])
def test_a_cloud_on_other_types_differs_by_registry_images_and_flavors(type_: str | None) -> None:
    known = contracts.load(elements_path())
    lxc, other = generated(known, "lxc"), generated(known, type_)
    different = {name for name in lxc if name in other and lxc[name] != other[name]}
    assert different <= {"environment.yaml", "images.yaml", "flavors.json"}
    ours, theirs = (yaml.safe_load(files["environment.yaml"]) for files in (lxc, other))
    assert ours["parameter_defaults"] == theirs["parameter_defaults"]
    types = [one.hypervisor for one in cloudfile.load(MIXED, known, type_).roles.values()]
    assert types == ([type_] * 4 if type_ else ["kvm", "ironic", "docker", "lxc"])
    registry = [f"templates/server-{one}.yaml" for one in types]
    assert list(theirs["resource_registry"].values()) == registry
    assert {name for name in other if name.startswith("templates/")} == set(registry)
    for flavor, one in zip(json.loads(other["flavors.json"])["flavors"], types, strict=True):
        assert flavor.get("extra_specs", {}) == dict(HYPERVISORS[one].flavor_properties)
    images = yaml.safe_load(other["images.yaml"])["images"]
    assert [image["hypervisor"] for image in images] == types


def test_every_parameter_gets_a_value(stack: Stack) -> None:
    parameters = stack.root["parameters"]
    given = {
        *stack.environment["parameter_defaults"],
        *stack.secrets,
        *(image["parameter"] for image in stack.images),
    }
    assert given == {name for name, one in parameters.items() if "default" not in one}
    hidden = {name for name, one in parameters.items() if one.get("hidden")}
    assert hidden == set(stack.secrets)


def test_instances_are_complete(stack: Stack) -> None:
    registry = stack.environment["resource_registry"]
    members = dict(groups(stack.root))
    assert {definition["type"] for definition in members.values()} == set(registry)
    for definition in members.values():
        server = stack.load(registry[definition["type"]])
        needed = {name for name, one in server["parameters"].items() if "default" not in one}
        assert needed <= set(definition["properties"]) <= set(server["parameters"])


def test_inputs_are_those_asked_for(stack: Stack) -> None:
    for name, definition in groups(stack.root):
        config = stack.root["resources"][f"{name}Config"]["properties"]["config"]
        asked = set(calls(config, "get_input"))
        instances = definition["properties"]["instances"]
        if isinstance(instances, dict):
            instances = [instances["repeat"]["template"]]
        for instance in instances:
            # The template of the hypervisor type adds one.
            assert {*instance["inputs"], "hypervisor-type"} == asked
            role = stack.cloud.roles[role_of(config)]
            assert len(instance["networks"]) == len(role.networks)
            vlans = [one for one in role.networks if stack.cloud.carrier(role, one)]
            assert len(instance["untagged"]) == len(role.networks) - len(vlans)
            assert [one["network"] for one in config["instance"].get("vlans", [])] == vlans


def role_of(config: dict[str, Any]) -> str:
    role: str = config["instance"]["role"]
    return role


def test_placeholders_are_replaced(stack: Stack) -> None:
    for _, definition in groups(stack.root):
        instances = definition["properties"]["instances"]
        if isinstance(instances, dict):
            template = str(instances["repeat"]["template"])
            for symbol in instances["repeat"]["for_each"]:
                template = template.replace(symbol, "")
            for call in calls(instances["repeat"]["template"], "str_replace"):
                for symbol in call["params"]:
                    template = template.replace(symbol, "")
            assert "<" not in template


def test_the_index_is_in_no_function_of_attributes(stack: Stack) -> None:
    # Heat resolves functions before it replaces %index%.
    assert not [one for one in calls(stack.root, "get_attr") if "%index%" in str(one)]
    assert "%index%" not in str(stack.root["outputs"])


def test_resources_are_counted(stack: Stack) -> None:
    total = 0
    for resource in stack.root["resources"].values():
        total += 1
        definition = resource["properties"].get("resource_def")
        if definition:
            count = resource["properties"]["count"]
            if isinstance(count, dict):
                count = stack.environment["parameter_defaults"][count["get_param"]]
            nested = 1 if definition["type"] == "OS::Neutron::Port" else 3
            total += count * nested
    assert limits.resources_count(stack.cloud) == total


def test_secrets_are_in_secret_files_alone(services: Contracts) -> None:
    stack = Stack(GOLDEN / "fixed-addresses" / "cloud.yaml", services)
    assert len(set(stack.secrets.values())) == len(stack.secrets) > 1
    for name, file in stack.files.items():
        found = [one for one in stack.secrets.values() if one in file.text]
        assert not found or file.mode == 0o600, name


def test_an_instance_gets_no_foreign_secrets(stack: Stack) -> None:
    for name, _ in groups(stack.root):
        config = stack.root["resources"][f"{name}Config"]["properties"]["config"]
        services_ = stack.cloud.roles[role_of(config)].services
        if services_ == ("memcached",):
            assert not {first(one) for one in calls(config, "get_param")}
