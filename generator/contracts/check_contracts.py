# SPDX-License-Identifier: Apache-2.0
"""Whether service contracts agree: owners, needs, reads, contributions, references."""

from collections.abc import Iterable, Iterator, Mapping

from altostratus.yamlfile import schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Mark, Problem, nearest
from generator.contracts import checks, references
from generator.contracts.model import Contract, Contracts, Key
from generator.contracts.references import ADDRESSES, Value


def check(contracts: Contracts) -> Iterator[Problem]:
    """Yield what in any of ``contracts`` does not agree with the others."""
    for contract in contracts.by_name.values():
        yield from _owners(contract, contracts)
        yield from _needs(contract, contracts)
        yield from _reads(contract, contracts)
        yield from _listens(contract, contracts)
        yield from _contributions(contract, contracts)
        for key in contract.keys.values():
            yield from _references(key.value, key.mark, contracts)
            yield from _shown_secret(key, key.value, key.mark)


def malformed(what: str, value: Value, mark: Mark) -> Iterator[Problem]:
    """Yield what is wrong with the references inside ``value`` on their own."""
    for problem in references.problems(value):
        hint = "docs/services.md lists the references"
        yield checks.REFERENCE.at(mark, f"{what}: {problem}", hint)


def _owners(contract: Contract, contracts: Contracts) -> Iterator[Problem]:
    node = contract.node
    for other in contracts.by_name.values():
        for word, mark in _keys(node.get("keys")).items():
            yield from _second_owner(word, mark, contract, other, other.keys)
            if any(name.startswith(f"{word}.") for name in other.keys):
                message = f"'{word}' is the beginning of another key of {other.name}"
                yield checks.KEY_PREFIX.at(mark, message, "rename one of them")
        for word, mark in _keys(node.get("secrets")).items():
            yield from _second_owner(word, mark, contract, other, other.secrets)


def _keys(node: Node | None) -> Mapping[str, Mark]:
    return node.keys if node else {}


def _second_owner(
    word: str, mark: Mark, contract: Contract, other: Contract, names: Iterable[str]
) -> Iterator[Problem]:
    if other.name != contract.name and word in names:
        message = f"'{word}' is also in the contract of {other.name}"
        yield checks.SECOND_OWNER.at(mark, message, "keep one of them")


def _needs(contract: Contract, contracts: Contracts) -> Iterator[Problem]:
    for need in (contract.node.get("needs") or contract.node).items:
        yield from _unknown_service(str(need.value), need.mark, contracts)


def _reads(contract: Contract, contracts: Contracts) -> Iterator[Problem]:
    for read in (contract.node.get("reads") or contract.node).items:
        if read.value not in contracts.keys and not contracts.may_have(str(read.value)):
            yield _unknown_key(str(read.value), read.mark, contracts)


def _listens(contract: Contract, contracts: Contracts) -> Iterator[Problem]:
    for listener in (contract.node.get("listens") or contract.node).items:
        port = listener.fields["port"]
        if isinstance(port.value, str) and port.value not in contract.keys:
            yield _unknown_key(port.value, port.mark, contracts)


def _contributions(contract: Contract, contracts: Contracts) -> Iterator[Problem]:
    contributes = contract.node.get("contributes") or Node(contract.node.mark, {})
    for word, field in contributes.fields.items():
        mark = contributes.keys[word]
        key = contracts.keys.get(word)
        if key is None:
            if not contracts.may_have(word):
                yield _unknown_key(word, mark, contracts)
        elif key.schema["type"] != "array":
            message = f"'{word}' of {key.contract} is not a list"
            yield checks.NOT_A_LIST.at(mark, message, "contribute to a key of the type array")
        else:
            yield from schema.problems(field, key.schema, word)
        yield from malformed(word, references.parse(field.plain()), field.mark)
        yield from _references(contract.contributes[word], field.mark, contracts)
        if key:
            yield from _shown_secret(key, contract.contributes[word], field.mark)


def _shown_secret(key: Key, value: Value, mark: Mark) -> Iterator[Problem]:
    if not key.secret and any(one.kind == "secret" for one in references.references(value)):
        message = f"'{key.name}' is not secret, but has a secret in its value"
        yield checks.SECRET_SHOWN.at(mark, message, f"add 'secret: true' to '{key.name}'")


def _references(value: Value, mark: Mark, contracts: Contracts) -> Iterator[Problem]:
    for reference in references.references(value):
        if reference.kind == "secret" and not _is_secret(reference.name, contracts):
            message = f"no contract has the secret '{reference.name}'"
            hint = nearest(reference.name, contracts.secrets)
            yield checks.UNKNOWN_SECRET.at(mark, message, hint)
        elif reference.kind in ADDRESSES:
            yield from _unknown_service(reference.name, mark, contracts)


def _is_secret(name: str, contracts: Contracts) -> bool:
    return name in contracts.secrets or contracts.may_have(name)


def _unknown_service(name: str, mark: Mark, contracts: Contracts) -> Iterator[Problem]:
    if name not in contracts.services and not contracts.may_have(name):
        hint = nearest(name, contracts.services)
        yield checks.UNKNOWN_SERVICE.at(mark, f"unknown service '{name}'", hint)


def _unknown_key(name: str, mark: Mark, contracts: Contracts) -> Problem:
    hint = nearest(name, contracts.keys)
    return checks.UNKNOWN_KEY.at(mark, f"no contract has the key '{name}'", hint)
