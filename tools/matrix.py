# SPDX-License-Identifier: Apache-2.0
"""The CI matrix: one row for each cloud that CI deploys, and the files that follow from it.

``python -m tools.matrix`` in a checkout rewrites ``.zuul.yaml`` and the environments
``devtest-<name>`` of ``tox.ini``; a test fails while they are stale.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from altostratus.files import write_text
from altostratus.hypervisors import HYPERVISORS

TOP = Path(__file__).resolve().parent.parent
COMMAND = "python -m tools.matrix"
_ENVIRONMENTS = re.compile(r"(# Written by [^\n]*\n).*\Z", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A cloud that CI deploys.

    ``arguments`` are those of ``devtest run``; a row that does not vote may fail; ``minutes`` is
    the limit of the job, from an empty cache.
    """

    name: str
    summary: str
    arguments: str
    votes: bool
    minutes: int


def _row(type_: str, votes: bool, minutes: int) -> Row:
    summary = HYPERVISORS[type_].summary
    return Row(type_, summary, f"--hypervisor {type_}", votes, minutes)


ROWS = (
    _row("lxc", votes=True, minutes=60),
    _row("kvm", votes=True, minutes=90),
    # The specification asks for it: a job of a driver that Nova does not have must not stop others.
    _row("docker", votes=False, minutes=60),
    _row("ironic", votes=True, minutes=120),
    Row(
        "mixed",
        "all types in one cloud",
        "--cloud examples/overcloud-mixed.yaml",
        votes=False,
        minutes=120,
    ),
)
"""Every hypervisor type on its own, and all of them together."""


def documents() -> Mapping[Path, str]:
    """Return the present content of every generated file by its path."""
    tox = TOP / "tox.ini"
    environments = "".join(_environment(row) for row in ROWS)
    text = _ENVIRONMENTS.sub(lambda match: match[1] + environments, tox.read_text(encoding="utf-8"))
    return {tox: text, TOP / ".zuul.yaml": _zuul()}


def main() -> int:
    """Write every file that is stale."""
    for path, text in documents().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    return 0


def _environment(row: Row) -> str:
    return (
        f"\n[testenv:devtest-{row.name}]\n"
        f"description = the whole chain: {row.summary}\n"
        f"commands = devtest run {row.arguments} {{posargs}}\n"
    )


def _zuul() -> str:
    jobs = "".join(_job(row) for row in ROWS)
    check = "".join(f"        - altostratus-devtest-{row.name}\n" for row in ROWS)
    gate = "".join(f"        - altostratus-devtest-{row.name}\n" for row in ROWS if row.votes)
    return f"""\
# SPDX-License-Identifier: Apache-2.0
# Written by {COMMAND} from the matrix in tools/matrix.py: change that file, not this one.
- job:
    name: altostratus-unit
    description: Linters, types and unit tests
    parent: base
    run: .zuul/unit.yaml
    nodeset:
      nodes:
        - name: node
          label: debian-bookworm
    timeout: 1200

- job:
    name: altostratus-devtest
    abstract: true
    description: A local undercloud, a cloud in it, and the proof that it works
    parent: base
    run: .zuul/devtest.yaml
    post-run: .zuul/logs.yaml
    vars:
      devtest_state: "{{{{ ansible_user_dir }}}}/altostratus"
    nodeset:
      nodes:
        - name: node
          label: debian-bookworm

{jobs}- project:
    check:
      jobs:
        - altostratus-unit
{check}    gate:
      jobs:
        - altostratus-unit
{gate}"""


def _job(row: Row) -> str:
    return f"""\
- job:
    name: altostratus-devtest-{row.name}
    parent: altostratus-devtest
    description: "{row.summary}"
    timeout: {row.minutes * 60}
    voting: {str(row.votes).lower()}
    vars:
      devtest_arguments: {row.arguments}

"""


if __name__ == "__main__":
    sys.exit(main())
