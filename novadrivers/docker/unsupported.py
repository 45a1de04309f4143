# SPDX-License-Identifier: Apache-2.0
"""Operations that docker instances do not support, and the reason that the user gets.

When a driver raises NotImplementedError, Nova puts the instance back into its former state. The
text is in the log, in the events of the server's action, and in the response of synchronous calls.
"""

from collections.abc import Callable
from typing import NoReturn

_VOLUME = "docker instances have no volumes"
_CONSOLE = "docker instances have no graphical or serial console; their console log is available"
_RESIZE = "docker instances cannot be resized or migrated; delete and create the instance"
_LIVE = "docker instances cannot be migrated live"
_SHARE = "docker instances have no shares"
_RESCUE = "docker instances cannot be rescued; rebuild the instance"

UNSUPPORTED = {
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
    "quiesce": "docker instances have no agent that could quiesce their file systems",
    "rescue": _RESCUE,
    "resume": "docker instances cannot be suspended or resumed",
    "suspend": "docker instances cannot be suspended; pause or stop the instance",
    "swap_volume": _VOLUME,
    "trigger_crash_dump": "docker instances share the node's kernel and cannot crash it",
    "unrescue": _RESCUE,
}
"""Methods of nova.virt.driver.ComputeDriver, and why they are not supported."""


def _unsupported(name: str, reason: str) -> Callable[..., NoReturn]:
    def method(self: object, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(reason)

    method.__name__ = name
    method.__doc__ = f"Raise NotImplementedError: {reason}."
    return method


class UnsupportedMixin:
    """Makes a driver raise NotImplementedError with a reason for :data:`UNSUPPORTED`."""


for _name, _reason in UNSUPPORTED.items():
    setattr(UnsupportedMixin, _name, _unsupported(_name, _reason))
