# SPDX-License-Identifier: Apache-2.0
"""All files of a cloud as text: what ``generate-stacks`` writes, compares or prints."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile import emit
from generator import heat
from generator.cloudfile import naming
from generator.cloudfile.model import Cloud, Network, Role
from generator.cloudfile.naming import flavor_name, image_name, image_parameter
from generator.output import literals, names, secretstore
from generator.output.literals import LiteralValues
from generator.plan import metadata
from generator.plan.model import Plan
from imagebuild.images import Image

MARK = "Written by generate-stacks"


@dataclass(frozen=True, slots=True)
class File:
    """The content of a file and its mode."""

    text: str
    mode: int = 0o644


def files(
    plan: Plan, templates: Path, known: Mapping[str, str], elements: Sequence[Path] = ()
) -> dict[str, File]:
    """Return every file by its path below the output directory.

    ``templates`` is the directory of the hand-written templates, ``known`` the secrets that exist,
    by Heat parameter; missing ones are generated. ``elements`` are the user's directories of
    elements, which the image list names.
    """
    cloud = plan.cloud
    secrets = secretstore.complete(known, plan.secrets)
    networks = [_network(one) for one in cloud.networks.values()]
    flavors = [_flavor(cloud, one) for one in cloud.roles.values()]
    return {
        names.SECRETS: File(secretstore.text(secrets), 0o600),
        **_parameter_files(plan, secrets),
        names.IMAGES: File(image_list(cloud, elements)),
        names.stack(cloud.name): File(_yaml(cloud, heat.template(plan), _usage(cloud))),
        names.ENVIRONMENT: File(_yaml(cloud, heat.environment(plan), "")),
        names.NETWORKS: File(_json({"networks": networks})),
        names.FLAVORS: File(_json({"flavors": flavors})),
        **_templates(cloud, templates),
        **_metadata(plan, {name: secrets[naming.secret_parameter(name)] for name in plan.secrets}),
    }


def _parameter_files(plan: Plan, secrets: Mapping[str, str]) -> dict[str, File]:
    """Return the files for ``openstack stack create --parameter-file``.

    A parameter that comes in this way is hidden, and encrypted in Heat's database where Heat is
    configured so (``encrypt_parameters_and_properties``). An environment file would be stored as it
    is, and shown by ``openstack stack file list``. The client takes the whole content of a file;
    paths are relative to the template.
    """
    parameters = [naming.secret_parameter(name) for name in plan.secrets]
    options = [f"--parameter-file {one}={names.parameter(one)}\n" for one in parameters]
    files = {names.parameter(one): File(secrets[one], 0o600) for one in parameters}
    return {**files, names.OPTIONS: File("".join(options))} if files else {}


def _templates(cloud: Cloud, folder: Path) -> dict[str, File]:
    types = sorted({role.hypervisor for role in cloud.roles.values()})
    paths = [heat.server_template(one) for one in types]
    return {path: File((folder / Path(path).name).read_text(encoding="utf-8")) for path in paths}


def _metadata(plan: Plan, secrets: Mapping[str, str]) -> dict[str, File]:
    """Return the metadata files of all instances whose addresses are known now."""
    found = {}
    for role in plan.cloud.roles.values():
        for index in range(role.count if literals.is_possible(plan, role) else 0):
            values = LiteralValues(plan, role, index, secrets)
            tree = metadata.tree(plan, role, values.value, values.own)
            found[names.metadata(role.instance(index))] = File(_json(tree), 0o600)
    return found


def images(cloud: Cloud) -> list[Image]:
    """Return the images that the roles of ``cloud`` need."""
    return [
        Image(
            name=image_name(cloud, role),
            role=role.name,
            hypervisor=role.hypervisor,
            release=cloud.distribution,
            elements=role.services,
            parameter=image_parameter(role),
        )
        for role in cloud.roles.values()
    ]


def image_list(cloud: Cloud, elements: Sequence[Path] = ()) -> str:
    """Return the text of the image list of ``cloud``, for build-images.

    ``elements`` are the user's directories of elements: whoever builds may not have the variable
    (sudo), and would build other images of the same names.
    """
    own = {"elements_path": [str(one) for one in elements]} if elements else {}
    content = {**own, "images": [one.as_listed() for one in images(cloud)]}
    about = f"The images of the cloud: build-images -c {names.IMAGES} -o IMAGES"
    return _yaml(cloud, content, about)


def _usage(cloud: Cloud) -> str:
    return (
        f"Deploy it: openstack stack create -t {names.stack(cloud.name)} -e {names.ENVIRONMENT}\n"
        f"    -e images-env.yaml $(cat {names.OPTIONS}) {cloud.name}"
    )


def _yaml(cloud: Cloud, content: Mapping[str, Any], about: str) -> str:
    lines = [
        "SPDX-License-Identifier: Apache-2.0",
        f"{MARK} from the cloud file of {cloud.name}: change that file, not this one.",
        *([about] if about else []),
    ]
    return emit.document(content, "\n".join(lines))


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _network(network: Network) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": network.name,
        "type": network.type,
        "physical_network": network.physical_network,
        "segmentation_id": network.vlan,
        "cidr": str(network.cidr),
        "gateway": str(network.gateway) if network.gateway else None,
        "allocation_pools": [{"start": str(network.pool[0]), "end": str(network.pool[1])}],
        "routes": [
            {"destination": str(route.destination), "nexthop": str(route.nexthop)}
            for route in network.routes
        ],
        "dns": [str(address) for address in network.dns],
        "dhcp": network.dhcp,
        "mtu": network.mtu,
    }
    return {key: value for key, value in found.items() if value is not None}


def _flavor(cloud: Cloud, role: Role) -> dict[str, Any]:
    size = role.flavor
    name = flavor_name(cloud, role)
    found = {"name": name, "ram": size.ram, "vcpus": size.vcpus, "disk": size.disk}
    specs = HYPERVISORS[role.hypervisor].flavor_properties
    return {**found, "extra_specs": dict(specs)} if specs else found
