# SPDX-License-Identifier: Apache-2.0
"""The root stack of a cloud and its environment.

Ports come first, so that every address is known before the first server boots; then one software
configuration for each role; then one nested stack for each instance (``templates/server-*.yaml``).
All depend on one resource: after each resource without dependencies Heat pauses for a second
before it starts the next (``Stack.converge_stack``), a second for each network of each role.
Counts, images and flavors are parameters: scaling and upgrades are stack updates.
"""

from collections.abc import Mapping
from typing import Any

from altostratus.yamlfile.emit import Block, Flow
from generator.cloudfile import naming, services
from generator.cloudfile.model import Cloud, Role
from generator.cloudfile.naming import config_name, flavor_name
from generator.heat import ports
from generator.heat.instances import instances
from generator.heat.values import common, role_config
from generator.plan.model import Plan

# The newest version that Heat of Zed knows; ``if`` without an else began with it.
VERSION = "2021-04-16"
# No role makes a resource of this name: theirs begin with a capital.
START = "start"


def template(plan: Plan) -> dict[str, Any]:
    """Return the root template of ``plan`` for ``altostratus.yamlfile.emit``."""
    cloud = plan.cloud
    start = {"type": "OS::Heat::Value", "properties": {"value": cloud.name}}
    comment = "Heat begins with what waits for nothing, a second apart: everything waits for this."
    resources: dict[str, Any] = {START: Block(start, comment)}
    for role in cloud.roles.values():
        resources |= _role(plan, role)
    return {
        "heat_template_version": VERSION,
        "description": Block(
            f"OpenStack {cloud.release.capitalize()} in instances of the types in environment.yaml"
        ),
        "parameters": Block(_parameters(plan)),
        "resources": Block(resources),
        "outputs": Block(_outputs(plan)),
    }


def environment(plan: Plan) -> dict[str, Any]:
    """Return the environment: which template an instance of each role is, and the defaults."""
    roles = plan.cloud.roles.values()
    parameters: dict[str, Any] = {}
    for role in roles:
        if not role.addresses:
            parameters[naming.count_parameter(role)] = role.count
        parameters[naming.flavor_parameter(role)] = flavor_name(plan.cloud, role)
    return {
        "resource_registry": Block(
            {_type(role): server_template(role.hypervisor) for role in roles},
            "What an instance of each role is. Another hypervisor type is another template.",
        ),
        # Heat merges environments on its side, where "parameters" would win over --parameter.
        "parameter_defaults": Block(
            parameters, "The images come from load-image: <Role>Image in images-env.yaml."
        ),
    }


def server_template(hypervisor: str) -> str:
    """Return the path of the template of an instance, as seen from the root template."""
    return f"templates/server-{hypervisor}.yaml"


def _type(role: Role) -> str:
    return f"OS::Altostratus::{role.title}"


def _parameters(plan: Plan) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        naming.KEY_PARAMETER: {
            "type": "string",
            "description": "Nova key pair for ssh; empty for none",
            "default": "",
        }
    }
    for role in plan.cloud.roles.values():
        parameters |= _role_parameters(role, plan)
    comment = "Secrets, generated once: secrets.yaml, and heat-parameters/ for the client."
    for secret in plan.secrets:
        entry = Flow({"type": "string", "hidden": True})
        parameters[naming.secret_parameter(secret)] = Block(entry, comment) if comment else entry
        comment = ""
    return parameters


def _role_parameters(role: Role, plan: Plan) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if not role.addresses:
        most = services.most_instances(role, plan.cloud.services, plan.contracts)
        limit: dict[str, Any] = {"range": Flow({"min": 1, **({"max": most} if most else {})})}
        if most:
            limit["description"] = f"{role.name} cannot have more instances (docs/services.md, max)"
        parameters[naming.count_parameter(role)] = {
            "type": "number",
            "description": f"Number of instances of {role.name}",
            "constraints": [limit],
        }
    parameters[naming.image_parameter(role)] = {
        "type": "string",
        "description": f"Glance image of {role.name}",
    }
    parameters[naming.flavor_parameter(role)] = {
        "type": "string",
        "description": f"Nova flavor of {role.name}",
    }
    return parameters


def _role(plan: Plan, role: Role) -> dict[str, Any]:
    found = role_config(plan, role)
    resources: dict[str, Any] = {}
    for network in role.networks:
        resources |= ports.resources(plan.cloud, role, network)
    resources[config_name(role)] = Block(
        {
            "type": "OS::Heat::StructuredConfig",
            "properties": {
                "group": "os-apply-config",
                "config": found.config,
            },
        }
    )
    resources = {name: _after_start(each) for name, each in resources.items()}
    resources[role.title] = Block(
        ports.group(role, _instance(plan.cloud, role, found.inputs), _type(role))
    )
    first = next(iter(resources))
    line = f"{role.name}: {', '.join(role.services)}"
    resources[first] = Block(resources[first].value, line)
    return resources


def _after_start(resource: Block) -> Block:
    definition = resource.value
    return Block({"type": definition["type"], "depends_on": START, **definition})


def _instance(cloud: Cloud, role: Role, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": role.instance(ports.INDEX),
        "index": ports.INDEX,
        "image": {"get_param": naming.image_parameter(role)},
        "flavor": {"get_param": naming.flavor_parameter(role)},
        "key_name": {"get_param": naming.KEY_PARAMETER},
        "config": {"get_resource": config_name(role)},
        "instances": instances(cloud, role, inputs),
        "metadata": {"cloud": cloud.name, "role": role.name},
    }


def _outputs(plan: Plan) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    network = plan.cloud.public_network
    for service in plan.roles_by_service:
        endpoint = plan.contracts.by_name[service].endpoint
        if endpoint and endpoint.type == "identity":
            outputs["AuthURL"] = {
                "description": "Where users of this cloud authenticate",
                "value": common(plan, endpoint.url(service, "public").parts),
            }
    outputs["Addresses"] = {
        "description": f"Addresses of the instances of each role on {network}",
        "value": {
            role.name: ports.addresses(role, network)
            for role in plan.cloud.roles.values()
            if network in role.networks
        },
    }
    return outputs
