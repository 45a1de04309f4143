# SPDX-License-Identifier: Apache-2.0
"""Reads a cloud file into the typed model, or reports everything that is wrong with it.

First the file is checked against its schema (``generator.cloudfile.grammar``); then the model is
read from what is valid, and all other checks look at both. Follow-on errors are suppressed: one
mistake yields one message, and every mistake is found at once.
"""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from altostratus.errors import InputError
from altostratus.hypervisors import DEFAULT
from altostratus.yamlfile import addresses, document, schema, tree
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import InvalidInputError, Report
from altostratus.yamlfile.schema import Schema
from generator.cloudfile import (
    check_addresses,
    check_join,
    check_names,
    check_networks,
    check_roles,
    check_services,
    checks,
    grammar,
    services,
)
from generator.cloudfile.context import Context, fields, is_known, network_names
from generator.cloudfile.model import Cloud, Flavor, Network, Role, Route, hosts
from generator.contracts.model import Contracts

_CHECKS = (
    *(check_networks, check_roles, check_names),
    *(check_addresses, check_services, check_join),
)


def load(path: Path, contracts: Contracts, hypervisor: str | None = None) -> Cloud:
    """Return the cloud that the file ``path`` describes, with services of ``contracts``.

    With ``hypervisor`` all its roles are of that type, whatever the file says. Raises
    InvalidInputError with every problem of the file, InputError if it cannot be read.
    """
    return parse(tree.read(path), str(path), contracts, hypervisor)


def parse(content: bytes, name: str, contracts: Contracts, hypervisor: str | None = None) -> Cloud:
    """Return the cloud that the text ``content`` of the file called ``name`` describes."""
    report = Report()
    given = document.parse(content, name, report)
    if hypervisor:
        _move(given, hypervisor)
    schema.check(given, grammar.CLOUD, report, "cloud file")
    root = schema.sound(given, grammar.CLOUD)
    if root is None:
        raise InvalidInputError(report.problems)
    context = Context(
        root=root,
        networks=_networks(root, report),
        roles=_roles(root, contracts, report),
        contracts=contracts,
        joined=_joined(root, Path(name).parent, contracts, report),
    )
    for module in _CHECKS:
        report.extend(module.check(context))
    report.raise_if_any()
    return _cloud(context)


def _cloud(context: Context) -> Cloud:
    """Return the cloud of ``context``, which has no problems."""
    root = context.root
    release = _plain(root, grammar.CLOUD, "release")
    return Cloud(
        name=_plain(root, grammar.CLOUD, "name"),
        release=release,
        distribution=grammar.RELEASES[release],
        hypervisors=tuple(_plain(root, grammar.CLOUD, "hypervisors")),
        networks=context.networks,
        service_network=_plain(root, grammar.CLOUD, "service_network"),
        public_network=_plain(root, grammar.CLOUD, "public_network"),
        roles=context.roles,
        joined=context.joined,
    )


def _move(root: Node, hypervisor: str) -> None:
    """Change the tree ``root`` so that all roles are of the type ``hypervisor``."""
    listed = root.get("hypervisors")
    if listed:
        listed.value = [Node(listed.mark, hypervisor)]
    for role in fields(root, "roles").values():
        # A role that names no type takes the first of ``hypervisors``.
        if named := role.get("hypervisor"):
            named.value = hypervisor


def _joined(root: Node, folder: Path, contracts: Contracts, report: Report) -> Cloud | None:
    """Return the cloud whose file ``join`` names, a path from ``folder``."""
    node = root.get("join")
    if node is None:
        return None
    path = folder / str(node.value)
    try:
        content = tree.read(path)
        if document.parse(content, str(path), Report()).get("join") is None:
            return parse(content, str(path), contracts)
        message = f"join: the cloud of {path} joins another cloud itself"
        report.add(node.mark, message, "join that one", checks.JOIN_CHAIN)
    except InvalidInputError as error:
        report.extend(error.problems)
    except InputError as error:
        hint = "give its path from this file"
        report.add(node.mark, f"join: {error.message}", hint, checks.JOIN_FILE)
    return None


def _plain(node: Node, form: Schema, key: str) -> Any:
    """Return the plain value of ``key``, or the grammar's default for it."""
    given = node.get(key)
    return given.plain() if given else form["properties"][key].get("default")


def _networks(root: Node, report: Report) -> dict[str, Network]:
    found: dict[str, Network] = {}
    for name, node in fields(root, "networks").items():
        if cidr := node.get("cidr"):
            found[name] = _network(name, node, addresses.network(cidr, report), report)
    return found


def _network(name: str, node: Node, cidr: IPv4Network, report: Report) -> Network:
    routes = node.get("routes")
    gateway, pool = _plain(node, grammar.NETWORK, "gateway"), node.get("pool")
    router = IPv4Address(gateway) if gateway else None
    first, last = _usable(cidr, router)
    if pool:
        first, last = (IPv4Address(address) for address in pool.plain())
    return Network(
        name=name,
        vlan=_plain(node, grammar.NETWORK, "vlan"),
        physical_network=_plain(node, grammar.NETWORK, "physical_network"),
        cidr=cidr,
        gateway=router,
        pool=(first, last),
        dns=tuple(IPv4Address(one) for one in _plain(node, grammar.NETWORK, "dns")),
        routes=tuple(
            Route(
                addresses.network(route.fields["destination"], report),
                IPv4Address(route.fields["nexthop"].plain()),
            )
            for route in (routes.items if routes else [])
        ),
        dhcp=_plain(node, grammar.NETWORK, "dhcp"),
        mtu=_plain(node, grammar.NETWORK, "mtu"),
    )


def _usable(cidr: IPv4Network, gateway: IPv4Address | None) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and last address for a pool: all hosts but a gateway at the ends."""
    first, last = hosts(cidr)
    if gateway == first and first != last:
        first += 1
    elif gateway == last and first != last:
        last -= 1
    return first, last


def _roles(root: Node, contracts: Contracts, report: Report) -> dict[str, Role]:
    return {
        name: _role(name, node, root, contracts, report)
        for name, node in fields(root, "roles").items()
    }


def _role(name: str, node: Node, root: Node, contracts: Contracts, report: Report) -> Role:
    listed = node.get("services") or Node(node.mark, [])
    chosen = services.choose(listed, contracts, report)
    everything = services.allowed_keys(node, chosen, contracts)
    own = services.overrides(node.get("config"), everything, contracts, report)
    # A shared key is for the roles that have it; check_services finds those that no role has.
    common = services.overrides(root.get("config"), everything, contracts, Report())
    config = common | own
    secret = {key: contracts.keys[key].only_secret for key in config}
    hypervisors = root.get("hypervisors")
    first = hypervisors.items[0].value if hypervisors and hypervisors.items else DEFAULT
    flavor = node.get("flavor") or Node(node.mark, {})
    return Role(
        name=name,
        hypervisor=_plain(node, grammar.ROLE, "hypervisor") or str(first),
        count=_plain(node, grammar.ROLE, "count"),
        services=chosen,
        networks=tuple(_plain(node, grammar.ROLE, "networks") or _default_networks(root, node)),
        flavor=Flavor(*(_plain(flavor, grammar.FLAVOR, key) for key in ("ram", "vcpus", "disk"))),
        config={key: value.plain() for key, value in config.items() if secret[key] is None},
        addresses={
            network: tuple(IPv4Address(one) for one in fixed)
            for network, fixed in _plain(node, grammar.ROLE, "addresses").items()
        },
        mark=root.fields["roles"].keys[name],
        marks={key: value.mark for key, value in config.items()},
        secrets={name: str(config[key].value) for key, name in secret.items() if name is not None},
    )


def _default_networks(root: Node, node: Node) -> list[str]:
    return network_names(root) if is_known(node, "networks") else []
