# SPDX-License-Identifier: Apache-2.0
"""Conversion of Nova's objects and options to this package's, and paths of files.

``conf`` is ``nova.conf.CONF``.
"""

import shlex
import shutil
from pathlib import Path

from nova import exception
from nova.virt import driver
from oslo_config.cfg import ConfigOpts

from novadrivers.docker import ports
from novadrivers.docker.containers import Settings, Spec
from novadrivers.docker.inventory import Disk
from novadrivers.docker.limits import Flavor
from novadrivers.shared.nova_types import BlockDeviceInfo, ImageMeta, Instance, NetworkInfo


def directory(conf: ConfigOpts, uuid: str) -> Path:
    """Return the directory of an instance's files."""
    return Path(conf.instances_path) / uuid


def image_directory(conf: ConfigOpts) -> Path:
    """Return the directory of downloads and of the image cache's time stamps."""
    return Path(conf.instances_path) / "_docker"


def disk(root_directory: str) -> Disk:
    """Return the file system of ``root_directory``, or of / if that is not visible here."""
    path = Path(root_directory)
    usage = shutil.disk_usage(path if path.exists() else "/")
    return Disk(total=usage.total, used=usage.used, free=usage.free)


def settings(conf: ConfigOpts) -> Settings:
    """Return the options that are the same for all containers."""
    options = conf.docker
    return Settings(
        host=conf.host,
        command=tuple(options.command),
        privileged=options.privileged,
        capabilities=tuple(options.cap_add),
        dropped_capabilities=tuple(options.cap_drop),
        security_options=tuple(options.security_opt),
        devices=tuple(options.devices),
        tmpfs=tuple(options.tmpfs),
        config_drive_paths=tuple(options.config_drive_paths),
        pids_limit=options.pids_limit,
        disk_quota=options.disk_quota,
    )


def spec(
    conf: ConfigOpts, instance: Instance, image_meta: ImageMeta, network_info: NetworkInfo | None
) -> Spec:
    """Return what ``instance`` is to be like."""
    flavor = instance.flavor
    return Spec(
        uuid=instance.uuid,
        name=instance.name,
        hostname=instance.hostname,
        flavor=Flavor(
            memory_mb=flavor.memory_mb,
            vcpus=flavor.vcpus,
            root_gb=flavor.root_gb,
            extra_specs=dict(flavor.extra_specs or {}),
        ),
        config_drive=directory(conf, instance.uuid) / "config-drive",
        dns=ports.name_servers(network_info or ()),
        command=tuple(shlex.split(image_meta.properties.get("os_command_line") or "")),
    )


def reject_disks(image_meta: ImageMeta, block_device_info: BlockDeviceInfo) -> None:
    """Raise ImageUnacceptable if the instance is to have a disk besides its root disk."""
    wanted = {
        "volumes": driver.block_device_info_get_mapping(block_device_info),
        "ephemeral disks": driver.block_device_info_get_ephemerals(block_device_info),
        "swap disks": driver.swap_is_usable(driver.block_device_info_get_swap(block_device_info)),
    }
    for what, present in wanted.items():
        if present:
            raise exception.ImageUnacceptable(
                image_id=image_id(image_meta), reason=f"docker instances have no {what}"
            )


def image_id(image_meta: ImageMeta) -> str:
    """Return the image's Glance id, or a placeholder for messages if it has none."""
    return image_meta.id if image_meta.obj_attr_is_set("id") else "(none)"
