# SPDX-License-Identifier: Apache-2.0
"""Symbolic values as literals, for instances that are configured from a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from generator.cloudfile.model import Role
from generator.contracts.references import ADDRESSES, REGION, Reference, Text, Value, references
from generator.plan.metadata import replaced
from generator.plan.model import Plan


def is_possible(plan: Plan, role: Role) -> bool:
    """Return whether all addresses that the metadata of ``role`` holds are fixed."""
    return role.is_fixed and all(
        plan.network_of(reference) in provider.addresses
        for value in plan.metadata[role.name].values()
        for reference in references(value)
        if reference.kind in ADDRESSES
        for provider in plan.providers(reference.name)
    )


@dataclass(frozen=True)
class LiteralValues:
    """Turns the metadata of an instance whose addresses are all fixed into plain JSON.

    ``secrets`` are the values of the secrets by name.
    """

    plan: Plan
    role: Role
    index: int
    secrets: Mapping[str, str]

    def value(self, key: str, value: Value) -> Any:
        """Return the JSON of the metadata key ``key``."""
        return replaced(value, self._text)

    def _text(self, text: Text) -> Any:
        whole = text.whole
        if whole and whole.kind == "addresses":
            network = self.plan.network_of(whole)
            return [
                str(address)
                for role in self.plan.providers(whole.name)
                for address in role.addresses[network]
            ]
        return "".join(
            part if isinstance(part, str) else self._in_place(part, quoted)
            for part, quoted in zip(text.parts, text.quoted, strict=True)
        )

    def _in_place(self, reference: Reference, quoted: bool) -> str:
        word = self._word(reference)
        return quote(word, safe="") if quoted else word

    def _word(self, reference: Reference) -> str:
        if reference.kind == "secret":
            return self.secrets[reference.name]
        if reference.kind == "region":
            return REGION
        if reference.kind == "self":
            return self.own(reference.name)
        provider = self.plan.providers(reference.name)[0]
        return str(provider.addresses[self.plan.network_of(reference)][0])

    def own(self, name: str) -> str:
        """Return the value of ``{self:name}``."""
        role = self.role
        if name in ("name", "role", "type"):
            return {
                "name": role.instance(self.index),
                "role": role.name,
                "type": role.hypervisor,
            }[name]
        network = name.removesuffix(".address") if "." in name else self.plan.cloud.service_network
        return str(role.addresses[network][self.index])
