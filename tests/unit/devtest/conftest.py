# SPDX-License-Identifier: Apache-2.0
"""What the tests of devtest share: a workspace, and one whose undercloud is generated and built."""

from pathlib import Path

import pytest
from records import manifest

from altostratus.datafiles import examples_path
from devtest.workspace import Workspace
from generator import generate


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "state", tmp_path / "cache")


@pytest.fixture
def built(workspace: Workspace) -> Workspace:
    """A workspace with the example undercloud, and the record of its image."""
    generate.generate(examples_path() / "undercloud.yaml", workspace.stacks("undercloud"))
    manifest(workspace, "undercloud", "undercloud-undercloud-lxc", "u.raw", "ab" * 32)
    return workspace
