# SPDX-License-Identifier: Apache-2.0
"""The oslo.privsep context of this package, for functions that need root.

Where nova-compute is not root, ``[novadrivers_privileged] helper_command`` in nova.conf starts the
helper that runs them; its default uses Nova's rootwrap. The helper imports the functions by name,
so that this package must be on its path.
"""

from oslo_privsep import capabilities, priv_context

net_admin_pctxt = priv_context.PrivContext(
    "novadrivers",
    cfg_section="novadrivers_privileged",
    pypath=__name__ + ".net_admin_pctxt",
    # SYS_ADMIN to enter a container's network namespace, NET_ADMIN to change devices in it.
    capabilities=[capabilities.CAP_NET_ADMIN, capabilities.CAP_SYS_ADMIN],
)
