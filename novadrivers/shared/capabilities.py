# SPDX-License-Identifier: Apache-2.0
"""Capabilities that no container of an instance has; see capabilities(7).

Root in a container without a user namespace is root of the node, but for what it may not do. With
these it could open any file of the node (``dac_read_search``: open_by_handle_at(2)), reach devices
and memory (``sys_rawio``), load another kernel (``sys_boot``: kexec_load(2)), read the node's
kernel log (``syslog``) and look into processes (``sys_ptrace``). systemd needs none of them.
"""

HARMFUL = ("dac_read_search", "sys_rawio", "sys_boot", "syslog", "sys_ptrace")
"""Names as libvirt has them; docker's are in capitals."""
