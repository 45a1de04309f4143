# SPDX-License-Identifier: Apache-2.0
"""What a docker instance cannot do, and the words that its user gets.

Nova answers a driver's NotImplementedError by putting the instance back as it was; the text is in
the log, in the events of the server's action, and in the answer of those calls that wait for one.
"""

from collections.abc import Callable
from typing import Any, NoReturn

_VOLUME = "docker instances have no volumes"
_CONSOLE = "docker instances have no graphical or serial console; their console log is available"
_RESIZE = "docker instances cannot be resized or migrated; delete and create the instance"
_LIVE = "docker instances cannot be migrated live"
_SHARE = "docker instances have no shares"
_RESCUE = "docker instances cannot be rescued; rebuild the instance"

REFUSED = {
    "attach_volume": _VOLUME,
    "check_can_live_migrate_destination": _LIVE,
    "check_can_live_migrate_source": _LIVE,
    "detach_volume": _VOLUME,
    "extend_volume": _VOLUME,
    "get_mks_console": _CONSOLE,
    "get_rdp_console": _CONSOLE,
    "get_serial_console": _CONSOLE,
    "get_spice_console": _CONSOLE,
    "get_vnc_console": _CONSOLE,
    "live_migration": _LIVE,
    "migrate_disk_and_power_off": _RESIZE,
    "mount_share": _SHARE,
    "pre_live_migration": _LIVE,
    "quiesce": "docker instances have no agent to make them quiet",
    "rescue": _RESCUE,
    "resume": "docker instances cannot be suspended, so none can be resumed",
    "suspend": "docker instances cannot be suspended; pause or stop the instance",
    "swap_volume": _VOLUME,
    "trigger_crash_dump": "docker instances share the node's kernel: none of their own can crash",
    "unrescue": _RESCUE,
}
"""Methods of Nova's ComputeDriver, and why the driver refuses them."""


def _refusal(name: str, reason: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(reason)

    refuse.__name__ = name
    refuse.__doc__ = f"Refuse: {reason}."
    return refuse


class Refusals:
    """Base class of a driver that answers each method of :data:`REFUSED` with its reason."""


for _name, _reason in REFUSED.items():
    setattr(Refusals, _name, _refusal(_name, _reason))
