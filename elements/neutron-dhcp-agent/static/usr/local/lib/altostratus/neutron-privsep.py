#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""neutron-privsep.py dhcp-agent|helper ARGUMENT…: the DHCP agent with one privileged helper.

Neutron runs privileged functions in helper processes, one for each set of capabilities: four beside
the DHCP agent, which take 320 MiB and are idle most of the time. Here all functions use the context
whose capabilities include those of the others. Agent and helper must agree on that, so this script
starts both.
"""

import runpy
import sys

HELPER = "/usr/local/bin/privsep-helper"
CONTEXTS = ("conntrack_cmd", "dhcp_release_cmd", "link_cmd", "namespace_cmd", "ovs_vsctl_cmd")


def share_context() -> None:
    """Make every privileged context the default one, before functions are declared in them."""
    from neutron import privileged

    for name in CONTEXTS:
        setattr(privileged, name, privileged.default)


def main(argv: list[str]) -> int:
    """Run the program named by the first argument with the others."""
    program = argv.pop(1)
    if program == "helper":
        share_context()
        # It ends the process.
        runpy.run_path(HELPER, run_name="__main__")
    # First: it patches the standard library for eventlet.
    import neutron.cmd.eventlet  # noqa: F401

    share_context()
    from neutron.cmd.eventlet.agents import dhcp

    return int(dhcp.main() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
