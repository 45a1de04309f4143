# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for virtual machines that run with KVM or, where it does not work, without.

``[libvirt] virt_type`` says which (the element nova-kvm writes it after a probe). With ``qemu`` the
node also takes images tagged kvm, and QEMU's cache of translated code is limited.
"""

from typing import Any

import nova.conf
from nova.virt.libvirt import config
from oslo_config import cfg

from novadrivers.libvirt import driver
from novadrivers.libvirt.emulation import EMULATED, offered

CONF = nova.conf.CONF
TB_CACHE_SIZE = cfg.IntOpt(
    "tb_cache_size",
    min=0,
    default=0,
    help="MiB of translated code that QEMU keeps for an emulated machine; 0: QEMU's default, 1024.",
)


def _registered() -> bool:
    """Register the option unless Nova has it, which sets the limit itself since 2023.1."""
    try:
        CONF.register_opt(TB_CACHE_SIZE, group="libvirt")
    except cfg.DuplicateOptError:
        return False
    return True


OURS = _registered()


class TranslationCache(config.LibvirtConfigGuestFeature):
    """``<tcg><tb-cache>``, https://libvirt.org/formatdomain.html#hypervisor-features."""

    def __init__(self, mebibytes: int) -> None:
        """Limit the cache to ``mebibytes``."""
        super().__init__("tcg")
        self.mebibytes = mebibytes

    def format_dom(self) -> Any:
        """Return the XML element."""
        root = super().format_dom()
        root.append(self._text_node("tb-cache", str(self.mebibytes), unit="MiB"))
        return root


class KvmDriver(driver.LibvirtDriver):
    """Nova's libvirt driver on a node of type kvm."""

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """Return what the node offers; images of type kvm start here, emulated or not."""
        resources: dict[str, Any] = super().get_available_resource(nodename)
        if CONF.libvirt.virt_type == EMULATED:
            supported = [tuple(each) for each in resources["supported_instances"]]
            resources["supported_instances"] = offered(supported)
        return resources

    def _get_guest_config(self, *arguments: Any, **named: Any) -> Any:
        guest = super()._get_guest_config(*arguments, **named)
        limit = CONF.libvirt.tb_cache_size
        if OURS and limit and CONF.libvirt.virt_type == EMULATED:
            guest.features.append(TranslationCache(limit))
        return guest
