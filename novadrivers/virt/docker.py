# SPDX-License-Identifier: Apache-2.0
"""The Docker driver under the name that Nova loads: ``compute_driver = docker.DockerDriver``."""

from novadrivers.docker.driver import DockerDriver

__all__ = ["DockerDriver"]
