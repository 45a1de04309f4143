# SPDX-License-Identifier: Apache-2.0
"""--help of the commands that talk to a cloud is quick: it loads nothing that only a run needs."""

import subprocess
import sys

import pytest

SLOW = ("yaml", "openstack", "keystoneauth1", "requests", "glanceclient", "novaclient", "rich")


@pytest.mark.parametrize(
    "command",
    ["setupcloud.networks", "setupcloud.flavors", "setupcloud.nodes", "imagebuild.load"],
)
def test_help_loads_little(command: str) -> None:
    program = (
        f"import sys\nfrom {command} import main\n"
        "try:\n    main(['--help'])\n"
        f"except SystemExit:\n    print([one for one in {SLOW!r} if one in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "--json" in done.stdout and "usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
