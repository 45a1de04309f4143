# SPDX-License-Identifier: Apache-2.0
"""Whether service contracts agree: owners, needs, reads, contributions, references."""

from altostratus.yamlfile import schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Mark, Report, nearest
from generator.contracts import references
from generator.contracts.model import Contract, Contracts
from generator.contracts.references import ADDRESSES, Value

REFERENCES = "docs/services.md lists the references"


def check(contracts: Contracts, report: Report) -> None:
    """Add to ``report`` what in any contract does not agree with the others."""
    for contract in contracts.by_name.values():
        _check_contract(contract, contracts, report)


def _check_contract(contract: Contract, all_: Contracts, report: Report) -> None:
    node = contract.node
    for name in ("keys", "secrets"):
        for word, mark in (node.get(name) or Node(node.mark, {})).keys.items():
            _check_owner(word, mark, name, contract, all_, report)
    for need in (node.get("needs") or node).items:
        if need.value not in all_.services:
            report.add(
                need.mark,
                f"unknown service '{need.value}'",
                nearest(str(need.value), all_.services),
            )
    for read in (node.get("reads") or node).items:
        if read.value not in all_.keys:
            report.add(
                read.mark,
                f"no contract has the key '{read.value}'",
                nearest(str(read.value), all_.keys),
            )
    _check_contributions(contract, all_, report)
    for key in contract.keys.values():
        _check_references(key.value, key.mark, all_, report)


def _check_owner(
    word: str, mark: Mark, kind: str, contract: Contract, all_: Contracts, report: Report
) -> None:
    for other in all_.by_name.values():
        names = other.keys if kind == "keys" else other.secrets
        if other.name != contract.name and word in names:
            report.add(
                mark, f"'{word}' is also in the contract of {other.name}", "keep one of them"
            )
        if any(name.startswith(f"{word}.") for name in other.keys) and kind == "keys":
            message = f"'{word}' is the beginning of another key of {other.name}"
            report.add(mark, message, "rename one of them")


def _check_contributions(contract: Contract, all_: Contracts, report: Report) -> None:
    contributes = contract.node.get("contributes") or Node(contract.node.mark, {})
    for word, field in contributes.fields.items():
        mark = contributes.keys[word]
        key = all_.keys.get(word)
        if key is None:
            report.add(mark, f"no contract has the key '{word}'", nearest(word, all_.keys))
        elif key.schema["type"] != "array":
            message = f"'{word}' of {key.contract} is not a list"
            report.add(mark, message, "contribute to a key of the type array")
        else:
            schema.check(field, key.schema, report, word)
        for problem in references.problems(references.parse(field.plain())):
            report.add(field.mark, f"{word}: {problem}", REFERENCES)
        _check_references(contract.contributes[word], field.mark, all_, report)


def _check_references(value: Value, mark: Mark, all_: Contracts, report: Report) -> None:
    for reference in references.references(value):
        if reference.kind == "secret" and reference.name not in all_.secrets:
            hint = nearest(reference.name, all_.secrets)
            report.add(mark, f"no contract has the secret '{reference.name}'", hint)
        elif reference.kind in ADDRESSES and reference.name not in all_.services:
            hint = nearest(reference.name, all_.services)
            report.add(mark, f"unknown service '{reference.name}'", hint)
