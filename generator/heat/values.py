# SPDX-License-Identifier: Apache-2.0
"""Symbolic values as Heat functions.

In a stack the instances of a role share one software configuration, so whatever differs between
them becomes an input of the deployment (``get_input``). The values of the inputs are written once
for all instances, with ``%index%`` and with the placeholders that ``repeat`` replaces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from altostratus.yamlfile.emit import Flow
from generator.cloudfile.model import Role, camel_case
from generator.cloudfile.naming import group_name, port_name
from generator.contracts.references import Reference, Text, Value
from generator.heat import ports
from generator.plan.metadata import replaced
from generator.plan.resolve import REGION, Plan

TYPE_INPUT = "hypervisor-type"
"""The input that ``templates/server-<type>.yaml`` gives to every deployment."""


@dataclass
class HeatValues:
    """Turns the values of one role's metadata into Heat functions.

    ``inputs`` collects, by input name, the values that differ between instances; what differs in
    them are ``%index%`` and the placeholders ``<NETWORK.address>``.
    """

    plan: Plan
    role: Role
    inputs: dict[str, Any] = field(default_factory=dict)

    def value(self, key: str, value: Value) -> Any:
        """Return the Heat value of the metadata key ``key``."""
        return replaced(value, lambda text: self._text(key, text))

    def instances(self) -> Any:
        """Return the Heat value of the list of all instances: their networks and their inputs."""
        role = self.role
        if role.addresses:
            return [self._instance(index) for index in range(role.count)]
        for_each: dict[str, Any] = {}
        for network in role.networks:
            group = group_name(role, network)
            for_each[f"<{network}.port>"] = {"get_attr": [group, "refs"]}
            for_each[f"<{network}.address>"] = ports.addresses(role, network)
        template = self._instance_of({one: f"<{one}.port>" for one in role.networks}, self.inputs)
        return {"repeat": {"for_each": for_each, "permutations": False, "template": template}}

    def _instance(self, index: int) -> dict[str, Any]:
        role = self.role
        own = {
            f"<{network}.address>": ports.address(role, network, index) for network in role.networks
        }
        its_ports = {
            network: {"get_resource": port_name(role, network, index)} for network in role.networks
        }
        inputs = {name: _filled(value, own) for name, value in self.inputs.items()}
        return self._instance_of(its_ports, inputs)

    def _instance_of(self, its_ports: Mapping[str, Any], inputs: Any) -> dict[str, Any]:
        cloud, role = self.plan.cloud, self.role
        return {
            "networks": [Flow({"port": port}) for port in its_ports.values()],
            "untagged": [
                Flow({"port": port})
                for network, port in its_ports.items()
                if cloud.carrier(role, network) is None
            ],
            "inputs": inputs,
        }

    def own(self, name: str) -> Any:
        """Return the value of ``{self:name}``: static where it can be, else an input.

        The template of the hypervisor type gives its own name: nothing else differs between types.
        """
        if name == "type":
            return {"get_input": TYPE_INPUT}
        static = self._static(Reference("self", name))
        return self._input(name, self._placeholder(name)) if static is None else static

    def _text(self, key: str, text: Text) -> Any:
        parts = [self._static(part) or part for part in text.parts]
        symbols = [part for part in parts if isinstance(part, Reference)]
        if not symbols:
            return "".join(str(part) for part in parts)
        if len(parts) == 1:
            only = symbols[0]
            name = self._own_name(only.name)
            return self.own(name) if only.kind == "self" else self._reference(only)
        if all(symbol.kind != "self" for symbol in symbols):
            return self._joined(parts)
        own = [
            self._placeholder(self._own_name(part.name))
            if isinstance(part, Reference) and part.kind == "self"
            else part
            for part in parts
        ]
        is_static = not any(isinstance(part, Reference) for part in own)
        written = "".join(map(str, own)) if is_static else self._joined(own)
        name = key
        while self.inputs.get(name, written) != written:
            name += "'"
        return self._input(name, written)

    def _static(self, part: str | Reference) -> str | None:
        """Return what is the same for all instances of the role and known now, else None."""
        if isinstance(part, str):
            return part
        role = self.role
        if part.kind == "region":
            return REGION
        if part.kind == "self" and part.name in ("role", "name"):
            known = role.name if part.name == "role" else role.instance(ports.INDEX)
            return None if ports.INDEX in known else known
        if part.kind in ("address", "public"):
            first = ports.address(self.plan.providers(part.name)[0], self.plan.network_of(part), 0)
            return first if isinstance(first, str) else None
        return None

    def _own_name(self, name: str) -> str:
        return f"{self.plan.cloud.service_network}.address" if name == "address" else name

    def _placeholder(self, name: str) -> str:
        known = {"name": self.role.instance(ports.INDEX), "type": self.role.hypervisor}
        return known.get(name, f"<{name}>")

    def _input(self, name: str, value: Any) -> dict[str, str]:
        self.inputs[name] = value
        return {"get_input": name}

    def _reference(self, reference: Reference) -> Any:
        if reference.kind == "secret":
            return {"get_param": camel_case(reference.name)}
        network = self.plan.network_of(reference)
        runners = self.plan.providers(reference.name)
        if reference.kind == "addresses":
            lists = [ports.addresses(role, network) for role in runners]
            return lists[0] if len(lists) == 1 else {"list_concat": lists}
        return ports.address(runners[0], network, 0)

    def _joined(self, parts: Sequence[str | Reference]) -> Any:
        template, params = "", {}
        for part in parts:
            if isinstance(part, Reference):
                symbol = f"<{self._symbol(part)}>"
                params[symbol] = self._reference(part)
                template += symbol
            else:
                template += part
        return {"str_replace": {"template": template, "params": params}}

    def _symbol(self, reference: Reference) -> str:
        if reference.kind == "secret":
            return camel_case(reference.name)
        return f"{reference.name} {reference.kind}"


def _filled(value: Any, own: Mapping[str, Any]) -> Any:
    """Return an input's ``value`` with the placeholders that occur in it replaced by ``own``."""
    if isinstance(value, str):
        if value in own:
            return own[value]
        for symbol, one in own.items():
            value = value.replace(symbol, one) if isinstance(one, str) else value
    params = {symbol: one for symbol, one in own.items() if symbol in str(value)}
    return {"str_replace": {"template": value, "params": params}} if params else value
