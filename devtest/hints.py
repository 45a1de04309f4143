# SPDX-License-Identifier: Apache-2.0
"""Hints that name a command of devtest: with the program and the options that are in use.

A hint is written as if devtest were on PATH and had one undercloud: ``devtest build``. With
``devtest --name lab load --cloud my.yaml`` that command would look elsewhere and fail again.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

# Those that take --cloud FILE.
OF_A_CLOUD = ("run", "build", "load", "deploy", "verify", "doctor")
OTHERS = ("status", "destroy", "undercloud", "node", "ssh", "logs")
# Not one that names its undercloud itself: "ALTOSTRATUS_STATE=/srv/x devtest undercloud stop".
# A directory with a blank is quoted as shlex.quote does it.
_OTHER = r"""(?P<other>ALTOSTRATUS_\w+=(?:'[^']*'|"[^"]*"|[^\s'"])+ )?"""
_COMMAND = re.compile(
    rf"{_OTHER}\bdevtest (?P<command>{'|'.join(OF_A_CLOUD + OTHERS)})\b"
    r"(?P<cloud> --cloud)?"
)


@dataclass(frozen=True)
class Given:
    """What the user gave, as the shell reads it: options before the command; the cloud file."""

    options: str = ""
    cloud: str = ""


def complete(hint: str, program: str, given: Given) -> str:
    """Return ``hint`` with the commands in it as the user has to type them.

    ``program`` replaces the word devtest.
    """

    def replace(found: re.Match[str]) -> str:
        if found["other"]:
            return found[0].replace("devtest", program)
        words = [program, given.options, found["command"]]
        if found["cloud"]:
            words.append("--cloud")
        elif given.cloud and found["command"] in OF_A_CLOUD:
            words.append(f"--cloud {given.cloud}")
        return " ".join(word for word in words if word)

    return _COMMAND.sub(replace, hint)


def program(called: str) -> str:
    """Return what to type for devtest: its name if PATH leads to it, else as it was ``called``."""
    if Path(called).name != "devtest" or shutil.which("devtest"):
        return "devtest"
    return called
