# SPDX-License-Identifier: Apache-2.0
"""Values of ``config`` that the schema of their key does not judge: secrets, and line breaks.

A cloud file is kept in version control, and what is made of it may be read by anybody. So a secret
in it goes to ``secrets.yaml`` and nowhere else, if its key holds nothing but one secret.
"""

from collections.abc import Iterator
from unicodedata import category

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from generator.cloudfile import checks, naming
from generator.contracts import references, secretkinds
from generator.contracts.model import Contracts, Key


def check(node: Node, key: Key, contracts: Contracts, report: Report) -> bool:
    """Add to ``report`` why ``node`` cannot be the value of ``key``; return whether it can."""
    return _secret(node, key, contracts, report) if key.secret else _plain(node, key, report)


def _secret(node: Node, key: Key, contracts: Contracts, report: Report) -> bool:
    name = key.only_secret
    if name is None:
        found = references.references(key.value)
        names = sorted({one.name for one in found if one.kind == "secret"})
        message = f"{key.name}: it holds secrets, which 'config' cannot pass on"
        parameters = ", ".join(naming.secret_parameter(one) for one in names)
        hint = f"change them in OUT/secrets.yaml: {parameters}"
        if not names:
            hint = f"give the contract of {key.contract} a secret for it: docs/services.md"
        report.add(node.mark, message, hint, checks.SECRET_SETTING)
        return False
    kind = contracts.secrets[name]
    if wrong := secretkinds.wrong(kind, node.value):
        message, hint = f"{key.name}: {wrong}", secretkinds.KINDS[kind].wanted
        report.add(node.mark, message, hint, checks.SECRET_SETTING)
        return False
    return True


def _plain(node: Node, key: Key, report: Report) -> bool:
    """Look for what no configuration file could hold in a line."""
    wrong = [one for one in _scalars(node) if any(map(_is_control, str(one.value)))]
    for one in wrong:
        message = f"{key.name}: a line break or a control character"
        hint = "write the text on one line; a block of YAML ends with none after >- and |-"
        report.add(one.mark, message, hint, checks.CONTROL_CHARACTER)
    return not wrong


def _is_control(letter: str) -> bool:
    return category(letter) == "Cc"


def _scalars(node: Node) -> Iterator[Node]:
    if isinstance(node.value, list | dict):
        for one in (*node.items, *node.fields.values()):
            yield from _scalars(one)
    else:
        yield node
