# SPDX-License-Identifier: Apache-2.0
"""The program that completes an instance's metadata; ``configure.d/30-nova-processes`` runs it."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from novadrivers.processes.model import Capacity, MetadataError
from novadrivers.processes.resolve import processes, resolved


def this_node() -> Capacity:
    """Return the size of the machine that this runs on."""
    words = Path("/proc/meminfo").read_text(encoding="utf-8").split()
    return Capacity(int(words[words.index("MemTotal:") + 1]) // 1024, os.cpu_count() or 1)


def main(arguments: Sequence[str], capacity: Capacity) -> int:
    """Complete the metadata in the file ``arguments[0]`` in place; return the exit status.

    ``arguments[1]`` is a directory with a file of defaults, ``TYPE.json``, for each type that the
    image has. ``capacity`` is the size of the node. Prints one line for each process.
    """
    path, files = Path(arguments[0]), Path(arguments[1]).glob("*.json")
    defaults = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    metadata = json.loads(path.read_text(encoding="utf-8"))
    try:
        found = processes(metadata, defaults, defaults, capacity)
    except MetadataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for one in found:
        print(
            f"{one.namespace} (in {one.source}): {one.host}, {one.state_path}{one.share(capacity)}",
            flush=True,
        )
    complete = resolved(metadata, defaults, defaults, capacity)
    if complete != metadata:
        new = path.with_name(f"{path.name}.new")
        # 0600: the metadata hold secrets.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(complete, out)
        new.replace(path)
    return 0
