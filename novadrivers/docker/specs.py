# SPDX-License-Identifier: Apache-2.0
"""Nova's objects and options as this package's own, and where files lie.

``conf`` is ``nova.conf.CONF``; instances, images and ports are Nova's objects.
"""

import shlex
import shutil
from pathlib import Path
from typing import Any

from nova import exception
from nova.virt import driver

from novadrivers.docker import ports
from novadrivers.docker.containers import Settings, Spec
from novadrivers.docker.inventory import Disk
from novadrivers.docker.limits import Flavor


def directory(conf: Any, uuid: str) -> Path:
    """Return the directory of an instance's files."""
    return Path(conf.instances_path) / uuid


def image_directory(conf: Any) -> Path:
    """Return the directory of downloads and of the image cache's times."""
    return Path(conf.instances_path) / "_docker"


def disk(root_directory: str) -> Disk:
    """Return the file system of ``root_directory``, or / where the daemon's is hidden."""
    path = Path(root_directory)
    usage = shutil.disk_usage(path if path.exists() else "/")
    return Disk(total=usage.total, used=usage.used, free=usage.free)


def settings(conf: Any) -> Settings:
    """Return the options that all containers share."""
    options = conf.docker
    return Settings(
        host=conf.host,
        command=tuple(options.command),
        privileged=options.privileged,
        capabilities=tuple(options.cap_add),
        security_options=tuple(options.security_opt),
        devices=tuple(options.devices),
        tmpfs=tuple(options.tmpfs),
        config_drive_paths=tuple(options.config_drive_paths),
        pids_limit=options.pids_limit,
        disk_quota=options.disk_quota,
    )


def spec(conf: Any, instance: Any, image_meta: Any, network_info: Any) -> Spec:
    """Return what ``instance`` is to be."""
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


def refuse_disks(image_meta: Any, block_device_info: Any) -> None:
    """Raise ImageUnacceptable where an instance is to have a disk besides its root."""
    wanted = {
        "volumes": driver.block_device_info_get_mapping(block_device_info),
        "ephemeral disks": driver.block_device_info_get_ephemerals(block_device_info),
        "swap disks": driver.swap_is_usable(driver.block_device_info_get_swap(block_device_info)),
    }
    for what, present in wanted.items():
        if present:
            image_id = image_meta.id if image_meta.obj_attr_is_set("id") else "(none)"
            raise exception.ImageUnacceptable(
                image_id=image_id, reason=f"docker instances have no {what}"
            )
