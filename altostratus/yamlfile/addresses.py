# SPDX-License-Identifier: Apache-2.0
"""IPv4 addresses and networks in files: their schema, and how a CIDR is read."""

from ipaddress import IPv4Network

from altostratus.yamlfile import checks
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from altostratus.yamlfile.schema import Schema

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}"

ADDRESS: Schema = {
    "type": "string",
    "pattern": f"^{_IPV4}$",
    "title": "an IPv4 address",
    "examples": ["192.168.24.1"],
}
CIDR: Schema = {
    "type": "string",
    "pattern": f"^{_IPV4}/([12]?[0-9]|3[0-2])$",
    "title": "an IPv4 network",
    "examples": ["192.168.24.0/24"],
}


def network(node: Node, report: Report) -> IPv4Network:
    """Return the network that ``node`` (of the form CIDR) names; host bits go to ``report``.

    Neutron would clear them, so that the file and the cloud would differ ever after.
    """
    found = IPv4Network(str(node.value), strict=False)
    if str(found) != node.value:
        message, hint = f"cidr: {node.value} is an address", f"the network is {found}"
        report.add(node.mark, message, hint, checks.HOST_BITS)
    return found
