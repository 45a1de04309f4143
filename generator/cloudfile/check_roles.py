# SPDX-License-Identifier: Apache-2.0
"""Whether the roles of a cloud file are possible: hypervisor types, networks."""

from collections.abc import Iterator

from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile.problems import Problem, alike
from generator.cloudfile import checks
from generator.cloudfile.check_networks import segment
from generator.cloudfile.context import Context, is_known, place
from generator.cloudfile.model import Role, carrier


def check(context: Context) -> Iterator[Problem]:
    """Yield what is impossible about the roles of ``context``."""
    yield from _types(context)
    for role in context.roles.values():
        yield from _type(role, context)
        yield from _networks(role, context)
        yield from _vlans(role, context)


def _types(context: Context) -> Iterator[Problem]:
    listed = context.root.get("hypervisors")
    seen: set[object] = set()
    for item in listed.items if listed else ():
        if item.value in seen:
            message = f"hypervisors: {item.value} is listed twice"
            yield checks.TYPE_TWICE.at(item.mark, message, "keep one of them")
        seen.add(item.value)


def _type(role: Role, context: Context) -> Iterator[Problem]:
    listed = context.root.get("hypervisors")
    given = context.role_nodes[role.name].get("hypervisor")
    if listed is None or given is None:
        return
    types = [str(item.value) for item in listed.items]
    meant = [one for word in listed.lost for one in alike(word, HYPERVISORS)]
    if role.hypervisor not in types + meant:
        message = f"hypervisor: {role.hypervisor} is not listed"
        hint = f"add it to 'hypervisors', now {', '.join(types) or 'none'}"
        yield checks.UNLISTED_TYPE.at(given.mark, message, hint)


def _networks(role: Role, context: Context) -> Iterator[Problem]:
    root, mark = context.root, place(context.role_nodes[role.name], "networks")
    if len(set(role.networks)) < len(role.networks):
        message = "networks: one is listed twice"
        yield checks.NETWORK_TWICE.at(mark, message, "keep one of them")
    for key in ("service_network", "public_network"):
        network = root.get(key)
        name = str(network.value) if network else "ctlplane"
        if name in role.networks or name not in context.network_names or not is_known(root, key):
            continue
        has_endpoint = any(context.contracts.by_name[one].endpoint for one in role.services)
        if context.knows_networks(role) and (key == "service_network" or has_endpoint):
            message = f"networks: '{role.name}' is not on {name}, the {key}"
            yield checks.OFF_NETWORK.at(mark, message, f"add {name} to them")


def _vlans(role: Role, context: Context) -> Iterator[Problem]:
    """Yield the VLANs that bare metal has no cable for."""
    node = context.role_nodes[role.name]
    mine = [context.networks[name] for name in role.networks if name in context.networks]
    segments = [segment(context.network_nodes[network.name]) for network in mine]
    is_unknown = len(mine) < len(role.networks) or None in segments
    if not HYPERVISORS[role.hypervisor].bare_metal or is_unknown:
        return
    for network in mine if is_known(node, "hypervisor", "networks") else ():
        if network.vlan is not None and carrier(network, mine) is None:
            physical = network.physical_network
            message = f"networks: bare metal needs a flat network to reach the VLAN {network.name}"
            hint = f"add the flat network of the physical network {physical} to '{role.name}'"
            yield checks.VLAN_OUT_OF_REACH.at(place(node, "networks"), message, hint)
