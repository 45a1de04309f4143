# SPDX-License-Identifier: Apache-2.0
"""load-image against a Glance of one process: fixtures are in conftest.py."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fakeglance import FakeGlance

from imagebuild import load

TOP = Path(load.__file__).parents[1]
EXT4 = bytes(1080) + b"\x53\xef" + b"image" * 1000
QCOW2 = b"QFI\xfb" + bytes(600)
TAR = bytes(257) + b"ustar" + bytes(600)
LXC = {"hypervisor_type": "lxc", "hw_vm_mode": "exe"}


def lxc(image: Path, *more: str) -> int:
    return load.main(["--hypervisor", "lxc", str(image), *more])


def the_image(glance: FakeGlance) -> dict[str, Any]:
    (only,) = glance.images.values()
    return only
