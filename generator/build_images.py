# SPDX-License-Identifier: Apache-2.0
"""``build-images`` with ``--cloud``: imagebuild's command, which learns here to read cloud files.

The package ``imagebuild`` is below the generator and knows only lists of images.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import build

# Imported where it is used: --help must not wait for it.
if TYPE_CHECKING:
    from imagebuild.images import Image


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return build.main(argv, _images)


def _images(cloud_file: Path) -> "list[Image]":
    from generator import generate

    return generate.images(cloud_file)


if __name__ == "__main__":
    sys.exit(main())
