# SPDX-License-Identifier: Apache-2.0
"""The config drive of a container: Nova's files, as a directory that it mounts."""

import shutil
from pathlib import Path
from typing import Any

from nova.api.metadata import base
from nova.virt import configdrive


def write(
    directory: Path, instance: Any, files: Any, password: str | None, network_info: Any
) -> None:
    """Write metadata, network data, user data and injected files of ``instance`` to ``directory``.

    Only root and nova-compute's user can read it, outside as inside the instance: it holds
    ``password`` and the user data.
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
