# SPDX-License-Identifier: Apache-2.0
"""Checks of cloud files, beyond their schema."""

from altostratus.yamlfile.problems import Check

VLAN_WITHOUT_ID = Check("E2101", "vlan-without-id", "A network of type `vlan` has no `vlan`")
FLAT_WITH_VLAN = Check("E2102", "flat-with-vlan", "A network of type `flat` has a `vlan`")
SPECIAL_RANGE = Check(
    "E2103", "special-range", "A network has addresses that hosts cannot use (RFC 6890)"
)
ROUTER_OUTSIDE = Check(
    "E2104",
    "router-outside",
    "A gateway or next hop is not an address that hosts in its network can have",
)
POOL_OUTSIDE = Check(
    "E2105", "pool-outside", "A pool has addresses that hosts in its network cannot have"
)
POOL_REVERSED = Check("E2106", "pool-reversed", "The last address of a pool is before its first")
GATEWAY_IN_POOL = Check("E2107", "gateway-in-pool", "The gateway of a network is in its pool")
OVERLAP = Check("E2108", "overlap", "Two networks have addresses in common")
SECOND_FLAT = Check("E2109", "second-flat", "A physical network has a second flat network")
VLAN_IN_USE = Check(
    "E2110", "vlan-in-use", "Two networks have the same VLAN id on the same physical network"
)
UNKNOWN_NETWORK = Check(
    "E2111", "unknown-network", "A role or a setting names a network that the file lacks"
)
NO_DEFAULT_NETWORK = Check(
    "E2112",
    "no-default-network",
    "`service_network` or `public_network` is not given, and there is no `ctlplane`",
)
SMALL_POOL = Check("E2113", "small-pool", "A pool has fewer addresses than instances need")

TYPE_TWICE = Check("E2201", "type-twice", "A hypervisor type is listed twice")
UNLISTED_TYPE = Check(
    "E2202", "unlisted-type", "A role has a hypervisor type that `hypervisors` does not list"
)
NETWORK_TWICE = Check("E2203", "network-twice", "A role lists a network twice")
OFF_NETWORK = Check(
    "E2204",
    "off-network",
    "A role is not on the service network, or has an endpoint and is not on the public network",
)
VLAN_OUT_OF_REACH = Check(
    "E2205",
    "vlan-out-of-reach",
    "A bare-metal role has a VLAN and no flat network on the same physical network",
)
RESOURCE_NAMES = Check("E2206", "resource-names", "Two roles have the same name of a Heat resource")
INSTANCE_NAMES = Check("E2207", "instance-names", "Two roles have the same name of an instance")
FILE_NAME = Check(
    "E2208", "file-name", "The template of the cloud has the name of another file beside it"
)
PARAMETER_NAMES = Check(
    "E2209", "parameter-names", "Two secrets, or a secret and a role, have the same Heat parameter"
)

ADDRESS_OFF_NETWORK = Check(
    "E2301", "address-off-network", "A role has fixed addresses on a network that it is not on"
)
NUMBER_OF_ADDRESSES = Check(
    "E2302", "number-of-addresses", "A role has more or fewer fixed addresses than instances"
)
ADDRESS_TWICE = Check("E2303", "address-twice", "A role has a fixed address twice")
ADDRESS_OUTSIDE = Check(
    "E2304", "address-outside", "A fixed address is none that hosts in its network can have"
)
ADDRESS_IN_POOL = Check(
    "E2305",
    "address-in-pool",
    "A fixed address is in the pool, so that Neutron may give it to another port",
)
ADDRESS_SHARED = Check("E2306", "address-shared", "Two roles have the same fixed address")

UNKNOWN_SERVICE = Check("E2401", "unknown-service", "A role lists a service that does not exist")
NOT_A_SERVICE = Check(
    "E2402", "not-a-service", "A role lists a contract that only holds shared settings"
)
SERVICE_TWICE = Check("E2403", "service-twice", "A role lists a service twice")
NOTHING_REMOVED = Check("E2404", "nothing-removed", "`-name` removes a service that is not there")
NO_SERVICE_LEFT = Check("E2405", "no-service-left", "A role has no services left")
UNMET_NEED = Check("E2406", "unmet-need", "A service needs another, which no role has")
TOO_MANY_INSTANCES = Check(
    "E2407", "too-many-instances", "A service has more instances than its contract allows"
)
UNKNOWN_SETTING = Check(
    "E2408", "unknown-setting", "`config` has a key that no service of the role has"
)
MISSING_SETTING = Check(
    "E2409", "missing-setting", "`config` lacks a key that a service of the role requires"
)
UNUSED_INSTANCES = Check(
    "E2410",
    "unused-instances",
    "A service has several instances, and others reach it at the address of the first alone",
)
SECRET_SETTING = Check(
    "E2411", "secret-setting", "`config` has a secret that it cannot pass on, or of the wrong form"
)
CONTROL_CHARACTER = Check(
    "E2412", "control-character", "A text in `config` has a line break or a control character"
)

JOIN_FILE = Check("E2501", "join-file", "The file that `join` names cannot be read")
JOIN_CHAIN = Check("E2502", "join-chain", "The joined cloud joins another cloud itself")
JOIN_NAME = Check("E2503", "join-name", "A cloud has the name of the cloud that it joins")
JOIN_NOT_FIXED = Check("E2504", "join-not-fixed", "The joined cloud has no fixed addresses")
JOIN_NETWORK = Check(
    "E2505", "join-network", "The joined cloud has a different network of the same name"
)
JOIN_ADDRESS = Check("E2506", "join-address", "A fixed address is in use in the joined cloud")
JOIN_CONTRIBUTION = Check(
    "E2507", "join-contribution", "A service contributes to a key that belongs to the joined cloud"
)
