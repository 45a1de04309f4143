# SPDX-License-Identifier: Apache-2.0
"""Config drives of containers: a directory that the container mounts, with the usual files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from nova.api.metadata import base
from nova.virt import configdrive

from novadrivers.shared.nova_types import Instance, NetworkInfo

InjectedFiles = Sequence[tuple[str, bytes]]
"""Path and content of the files that the user injects into an instance."""


def write(
    directory: Path,
    instance: Instance,
    files: InjectedFiles,
    password: str | None,
    network_info: NetworkInfo | None,
) -> None:
    """Write metadata, network data, user data and injected files of ``instance`` to ``directory``.

    An earlier ``directory`` is replaced. Its mode is 0700, on the node and in the container,
    because it holds ``password`` (the instance's admin password) and the user data.
    """
    extra = {"admin_pass": password} if password else {}
    metadata = base.InstanceMetadata(
        instance, content=files, extra_md=extra, network_info=network_info
    )
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True)
    with configdrive.ConfigDriveBuilder(instance_md=metadata) as builder:
        for name, data in builder.mdfiles:
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
