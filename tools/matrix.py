# SPDX-License-Identifier: Apache-2.0
"""The CI matrix: the Python versions that CI tests, the clouds that it deploys, and their jobs.

``python -m tools.matrix`` in a checkout rewrites ``.zuul.yaml`` and the environments ``pyXY`` and
``devtest-<name>`` of ``tox.ini``; a test fails while they are stale.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from altostratus.files import write_text
from altostratus.hypervisors import HYPERVISORS

TOP = Path(__file__).resolve().parent.parent
COMMAND = "python -m tools.matrix"
_ENVIRONMENTS = re.compile(r"# Written by [^\n]*\n.*\Z", re.DOTALL)
_WRITTEN = f"Written by {COMMAND} from the tables in tools/matrix.py: change that file, not this"


@dataclass(frozen=True)
class Python:
    """A version of Python that CI runs the unit tests with, on the Debian release that has it.

    ``version`` is ``3.11``; ``label`` is the label of the node in nodepool's configuration.
    """

    version: str
    label: str

    @property
    def name(self) -> str:
        """The factor that tox derives the interpreter from, ``py311``."""
        return f"py{self.version.replace('.', '')}"


PYTHONS = (Python("3.11", "debian-bookworm"), Python("3.13", "debian-trixie"))
"""The oldest and the newest version that the project supports."""


@dataclass(frozen=True)
class Row:
    """A cloud that CI deploys.

    ``arguments`` are those of ``devtest run``; a job of a row that does not vote may fail;
    ``minutes`` is the timeout of the job, which starts with an empty cache.
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
    environments = "".join([*map(_unit_environment, PYTHONS), *map(_environment, ROWS)])
    written = f"# {_WRITTEN} part.\n{environments}"
    text = _ENVIRONMENTS.sub(lambda match: written, tox.read_text(encoding="utf-8"))
    return {tox: text, TOP / ".zuul.yaml": _zuul()}


def main() -> int:
    """Write every file that is stale."""
    for path, text in documents().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    return 0


def _unit_environment(python: Python) -> str:
    return (
        f"\n[testenv:{python.name}]\n"
        f"description = the unit tests with Python {python.version}\n"
        f"commands = tools/check.sh unit {{posargs}}\n"
    )


def _environment(row: Row) -> str:
    return (
        f"\n[testenv:devtest-{row.name}]\n"
        f"description = the whole chain: {row.summary}\n"
        f"commands = devtest run {row.arguments} {{posargs}}\n"
    )


def _zuul() -> str:
    jobs = "".join([*map(_unit_job, PYTHONS), *map(_job, ROWS)])
    unit = [f"altostratus-unit-{python.name}" for python in PYTHONS]
    check = _names([*unit, *(f"altostratus-devtest-{row.name}" for row in ROWS)])
    gate = _names([*unit, *(f"altostratus-devtest-{row.name}" for row in ROWS if row.votes)])
    return f"""\
# SPDX-License-Identifier: Apache-2.0
# {_WRITTEN} one.
- job:
    name: altostratus-unit
    abstract: true
    description: Linters, types and unit tests
    parent: base
    run: .zuul/unit.yaml
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
{check}    gate:
      jobs:
{gate}"""


def _names(jobs: Sequence[str]) -> str:
    return "".join(f"        - {job}\n" for job in jobs)


def _unit_job(python: Python) -> str:
    return f"""\
- job:
    name: altostratus-unit-{python.name}
    parent: altostratus-unit
    description: Linters, types and unit tests with Python {python.version}
    nodeset:
      nodes:
        - name: node
          label: {python.label}

"""


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
