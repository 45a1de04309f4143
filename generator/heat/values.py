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
from generator.contracts.references import REGION, URL_ENCODING, Reference, Text, Value
from generator.heat import ports
from generator.plan import metadata
from generator.plan.model import Plan

TYPE_INPUT = "hypervisor-type"
"""The input that ``templates/server-<type>.yaml`` gives to every deployment."""


@dataclass(frozen=True)
class RoleConfig:
    """The software configuration of a role.

    ``config`` is the metadata as Heat functions, ``inputs`` the values of its inputs by name. They
    have ``%index%`` and the placeholder ``<NETWORK.address>`` where instances differ.
    """

    config: Mapping[str, Any]
    inputs: Mapping[str, Any]


def role_config(plan: Plan, role: Role) -> RoleConfig:
    """Return the software configuration that the instances of ``role`` share."""
    values = _RoleValues(plan, role)
    config = metadata.tree(plan, role, values.value, values.own)
    return RoleConfig(config, values.inputs)


def common(plan: Plan, parts: Sequence[str | Reference]) -> Any:
    """Return the Heat value of the joined ``parts``, which must be the same for all instances."""
    parts = [_static(plan, part) or part for part in parts]
    symbols = [part for part in parts if isinstance(part, Reference)]
    if not symbols:
        return "".join(map(str, parts))
    return _reference(plan, symbols[0]) if len(parts) == 1 else _joined(plan, parts)


@dataclass
class _RoleValues:
    """Renders the values of one role's metadata, and collects the ``inputs`` that they take."""

    plan: Plan
    role: Role
    inputs: dict[str, Any] = field(default_factory=dict)

    def value(self, key: str, value: Value) -> Any:
        """Return the Heat value of the metadata key ``key``."""
        return metadata.replaced(value, lambda text: self._text(key, text))

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
        if not any(_is_own(part) for part in parts):
            return common(self.plan, parts)
        if text.whole:
            return self.own(self._own_name(text.whole.name))
        written = common(
            self.plan,
            [
                self._placeholder(self._own_name(part.name))
                if isinstance(part, Reference) and _is_own(part)
                else part
                for part in parts
            ],
        )
        name = key
        while self.inputs.get(name, written) != written:
            name += "'"
        return self._input(name, written)

    def _static(self, part: str | Reference) -> str | None:
        """Return what is the same for all instances of the role and known now, else None."""
        if isinstance(part, Reference) and part.kind == "self" and part.name in ("role", "name"):
            known = self.role.name if part.name == "role" else self.role.instance(ports.INDEX)
            return None if ports.INDEX in known else known
        return _static(self.plan, part)

    def _own_name(self, name: str) -> str:
        return f"{self.plan.cloud.service_network}.address" if name == "address" else name

    def _placeholder(self, name: str) -> str:
        known = {"name": self.role.instance(ports.INDEX), "type": self.role.hypervisor}
        return known.get(name, f"<{name}>")

    def _input(self, name: str, value: Any) -> dict[str, str]:
        self.inputs[name] = value
        return {"get_input": name}


def _is_own(part: str | Reference) -> bool:
    return isinstance(part, Reference) and part.kind == "self"


def _static(plan: Plan, part: str | Reference) -> str | None:
    """Return what is the same in the whole cloud and known now, else None."""
    if isinstance(part, str):
        return part
    if part.kind == "region":
        return REGION
    if part.kind in ("address", "public"):
        first = ports.address(plan.providers(part.name)[0], plan.network_of(part), 0)
        return first if isinstance(first, str) else None
    return None


def _reference(plan: Plan, reference: Reference) -> Any:
    if reference.kind == "secret":
        return {"get_param": camel_case(reference.name)}
    network = plan.network_of(reference)
    providers = plan.providers(reference.name)
    if reference.kind == "addresses":
        lists = [ports.addresses(role, network) for role in providers]
        return lists[0] if len(lists) == 1 else {"list_concat": lists}
    return ports.address(providers[0], network, 0)


def _joined(plan: Plan, parts: Sequence[str | Reference]) -> Any:
    template, params = "", {}
    for part, quoted in zip(parts, Text(tuple(parts)).quoted, strict=True):
        if isinstance(part, Reference):
            symbol = f"<{_symbol(part)}{' in the URL' if quoted else ''}>"
            value = _reference(plan, part)
            params[symbol] = _quoted(value) if quoted else value
            template += symbol
        else:
            template += part
    return {"str_replace": {"template": template, "params": params}}


def _quoted(value: Any) -> Any:
    # What has been replaced is not searched again (heat.engine.hot.functions.Replace).
    return {"str_replace": {"template": value, "params": Flow(dict(URL_ENCODING))}}


def _symbol(reference: Reference) -> str:
    if reference.kind == "secret":
        return camel_case(reference.name)
    return f"{reference.name} {reference.kind}"
