# SPDX-License-Identifier: Apache-2.0
"""Records of images as build-images writes them, without building any."""

import json

from devtest.workspace import Workspace


def manifest(workspace: Workspace, cloud: str, image: str, file: str, sha256: str) -> None:
    """Write the record of one image, as build-images does."""
    record = {"name": image, "file": file, "sha256": sha256, "sha512": sha256, "hypervisor": "lxc"}
    path = workspace.images(cloud) / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": [record]}))
