# SPDX-License-Identifier: Apache-2.0
"""Checks of what follows from a cloud file: the metadata of its instances."""

from altostratus.yamlfile.problems import Check

NO_SUCH_ADDRESS = Check(
    "E4001", "no-such-address", "Metadata needs the address of a service that no role has"
)
NOT_ON_NETWORK = Check(
    "E4002", "not-on-network", "Metadata needs an address on a network that the role is not on"
)
COMPUTE_SETTINGS = Check(
    "E4003",
    "compute-settings",
    "The nova-compute processes of a node cannot run as they are configured, such as two with the "
    "same state path",
)
COMPUTE_HOST = Check(
    "E4004", "compute-host", "Two nova-compute processes of the cloud have the same host"
)
SECRET_TWICE = Check(
    "E4005",
    "secret-twice",
    "`config` gives one secret two values, or one of the joined cloud's",
)
