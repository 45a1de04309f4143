# SPDX-License-Identifier: Apache-2.0
"""Nova compute drivers that Nova itself lacks, and the start script that makes Nova find them.

``docker`` drives system containers through the Docker API. ``libvirt`` and ``ironic`` extend Nova's
drivers of these names. ``shared`` has what they have in common, such as several nova-compute
processes on a node with one layer 2 agent. ``patches`` lists what is changed in Nova itself, and
``compute`` is nova-compute with these changes. ``processes`` needs no Nova: it tells which
nova-compute processes the metadata of an instance describe.
"""
