# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for virtual machines, with KVM or emulated where KVM does not work.

``[libvirt] virt_type`` selects one of them (the element nova-kvm sets it after a probe). With
``qemu`` the node also takes images tagged kvm, and QEMU's cache of translated code is limited.
"""

from typing import Any

import nova.conf
from nova.virt.libvirt import config
from oslo_config import cfg

from novadrivers.libvirt import driver
from novadrivers.libvirt.emulation import VIRT_TYPE_EMULATED, with_kvm

CONF = nova.conf.CONF
TB_CACHE_SIZE = cfg.IntOpt(
    "tb_cache_size",
    min=0,
    default=0,
    help="MiB of translated code that QEMU keeps for an emulated machine; 0: QEMU's default, 1024.",
)


def _register_tb_cache_size() -> bool:
    """Register the option; return False if Nova has it and sets the limit itself (since 2023.1)."""
    try:
        CONF.register_opt(TB_CACHE_SIZE, group="libvirt")
    except cfg.DuplicateOptError:
        return False
    return True


NOVA_LACKS_TB_CACHE_SIZE = _register_tb_cache_size()


class TCGFeature(config.LibvirtConfigGuestFeature):
    """``<tcg><tb-cache>``, https://libvirt.org/formatdomain.html#hypervisor-features."""

    def __init__(self, tb_cache_mb: int) -> None:
        """Limit the cache of translated code to ``tb_cache_mb`` MiB."""
        super().__init__("tcg")
        self.tb_cache_mb = tb_cache_mb

    def format_dom(self) -> Any:
        """Return the XML element."""
        root = super().format_dom()
        root.append(self._text_node("tb-cache", str(self.tb_cache_mb), unit="MiB"))
        return root


class KvmDriver(driver.LibvirtDriver):
    """Nova's libvirt driver on a node of type kvm."""

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """Return the node's resources; images of type kvm match it even when it emulates."""
        resources: dict[str, Any] = super().get_available_resource(nodename)
        if CONF.libvirt.virt_type == VIRT_TYPE_EMULATED:
            supported = [tuple(each) for each in resources["supported_instances"]]
            resources["supported_instances"] = with_kvm(supported)
        return resources

    def _get_guest_config(self, *args: Any, **kwargs: Any) -> Any:
        guest = super()._get_guest_config(*args, **kwargs)
        limit = CONF.libvirt.tb_cache_size
        is_emulated = CONF.libvirt.virt_type == VIRT_TYPE_EMULATED
        if NOVA_LACKS_TB_CACHE_SIZE and limit and is_emulated:
            guest.features.append(TCGFeature(limit))
        return guest
