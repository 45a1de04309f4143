# SPDX-License-Identifier: Apache-2.0
"""What needs root, for a nova-compute that is not: privilege separation of this package.

``[novadrivers_privileged] helper_command`` in nova.conf starts the helper; its default goes through
Nova's rootwrap. The helper imports the functions by name, so this package must be on its path.
"""

from oslo_privsep import capabilities, priv_context

context = priv_context.PrivContext(
    "novadrivers",
    cfg_section="novadrivers_privileged",
    pypath=__name__ + ".context",
    # SYS_ADMIN enters a container's network namespace, NET_ADMIN changes what is in it.
    capabilities=[capabilities.CAP_NET_ADMIN, capabilities.CAP_SYS_ADMIN],
)
