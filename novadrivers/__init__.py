# SPDX-License-Identifier: Apache-2.0
"""Nova compute drivers that Nova itself lacks, and the start script that makes Nova find them.

``novadrivers.docker`` drives system containers through the Docker API. ``shared.network_agent``
lets several nova-compute processes of a node share its one layer 2 agent; ``libvirt.driver`` does
so with Nova's libvirt driver, and ``shared.interrupted_builds`` ends builds that nobody finishes.
``novadrivers.compute`` is nova-compute that finds the drivers: ``compute_driver =
docker.DockerDriver`` or ``lxc.LxcDriver``.
"""
