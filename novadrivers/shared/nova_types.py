# SPDX-License-Identifier: Apache-2.0
"""What the drivers use of Nova's objects, for annotations. Nova itself has no types.

The names are those of ``nova.objects``, ``nova.network.model`` and ``nova.virt.virtapi``. Nothing
of Nova is imported here.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

RequestContext: TypeAlias = object
"""``nova.context.RequestContext``; the drivers only pass it on."""

BlockDeviceInfo: TypeAlias = object
"""What Nova says of an instance's disks; the drivers only pass it on."""

VIF: TypeAlias = Mapping[str, Any]
"""``nova.network.model.VIF``, a Neutron port as nested dictionaries."""

NetworkInfo: TypeAlias = Sequence[VIF]
"""``nova.network.model.NetworkInfo``, the ports of an instance."""

Event: TypeAlias = tuple[str, str]
"""Name and tag of an external event, such as ``("network-vif-plugged", <port id>)``."""


class Flavor(Protocol):
    """``nova.objects.Flavor``."""

    memory_mb: int
    vcpus: int
    root_gb: int
    extra_specs: Mapping[str, str] | None


class Instance(Protocol):
    """``nova.objects.Instance``."""

    uuid: str
    name: str
    host: str
    hostname: str
    vm_state: str
    task_state: str | None
    image_ref: str
    flavor: Flavor
    trusted_certs: object
    device_metadata: object

    def get_network_info(self) -> NetworkInfo:
        """Return the instance's ports from Nova's cache."""


class ImageMeta(Protocol):
    """``nova.objects.ImageMeta``."""

    id: str
    container_format: str

    @property
    def properties(self) -> Any:
        """Nova's ImageMetaProps, which has a ``get``."""

    def obj_attr_is_set(self, name: str) -> bool:
        """Tell whether the image has the field ``name``."""


class VirtAPI(Protocol):
    """``nova.virt.virtapi.VirtAPI``, what the compute manager does for a driver."""

    # The third argument is called deadline until 2025.2, timeout since then.
    def wait_for_instance_event(
        self,
        instance: Instance,
        events: Sequence[Event],
        timeout: int,
        failed: Callable[[str, Instance], None],
        /,
    ) -> AbstractContextManager[None]:
        """Wait after the body until all ``events`` of ``instance`` have arrived."""
