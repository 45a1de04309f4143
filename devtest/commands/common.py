# SPDX-License-Identifier: Apache-2.0
"""What several commands do first: find the undercloud that is meant, lock it, check the user."""

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence

from altostratus import files
from altostratus.errors import AltostratusError
from altostratus.process import CommandError, which
from devtest import container, ownelements, settings, undercloud, workspace
from devtest.container.spec import Spec
from devtest.undercloud import nodes
from devtest.workspace import Workspace

SHELL = ("/bin/bash", "--login")


def find(args: argparse.Namespace) -> Workspace:
    """Return the workspace of the undercloud that is meant by the options and the environment.

    The directories of elements that its last build used are used again, see ``ownelements``.
    """
    chosen = settings.given(args.name, args.undercloud, args.transfer_network, os.environ)
    found = workspace.find(chosen)
    ownelements.recall(found)
    return found


def need_root() -> None:
    """Raise AltostratusError unless root runs devtest."""
    if os.geteuid() != 0:
        raise AltostratusError("system containers need root", "run it as root")


def need_undercloud(found: Workspace) -> None:
    """Raise AltostratusError unless the undercloud runs."""
    if container.pid(undercloud.current(found)) is None:
        # One that was never started may not even be built.
        started = settings.is_started(found.state)
        hint = "devtest undercloud start" if started else "devtest run"
        raise AltostratusError("the undercloud does not run", hint)


def need_if_started(found: Workspace) -> None:
    """Raise AltostratusError if the undercloud was started once and does not run now."""
    if settings.is_started(found.state):
        need_undercloud(found)


@contextlib.contextmanager
def exclusive(found: Workspace) -> Iterator[None]:
    """Hold the lock of the state directory; AltostratusError if another command has it."""
    # Disks of instances and the undercloud's files have the modes, and users, that they have there.
    files.private_directory(found.state)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.lock(found.lock, blocking=False))
        except BlockingIOError:
            raise AltostratusError(
                f"another devtest is at work in {found.state}", "wait for it, or stop it"
            ) from None
        yield


def container_named(found: Workspace, name: str) -> Spec | None:
    """Return the container of the undercloud or a further node; None if it is no such name."""
    if name == undercloud.NODE:
        return undercloud.current(found)
    return next((each for each in nodes.containers(found) if each.state.name == name), None)


def words(command: Sequence[str]) -> list[str]:
    """Return the arguments that run ``command`` in a node, as they are given on a command line.

    Several words are the program and its arguments, which arrive there as they are. A single one
    is a line for the shell there, as with ssh(1). A first ``--`` is the end of our options.
    """
    given = list(command[1:] if command[:1] == ["--"] else command)
    return ["/bin/bash", "-c", given[0]] if len(given) == 1 else given


def remote(command: Sequence[str]) -> list[str]:
    """Return what ssh(1) gets to run ``command`` as ``words`` does: it joins words by blanks."""
    given = command[1:] if command[:1] == ["--"] else command
    return [given[0] if len(given) == 1 else shlex.join(given)] if given else []


def become(command: Sequence[str]) -> None:
    """Replace this process by ``command``; CommandError if there is no such program."""
    sys.stdout.flush()
    try:
        # As process.run finds it, also after su without "-".
        os.execv(which(command[0]) or command[0], list(command))  # noqa: S606
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} is missing", "devtest doctor", returncode=None) from error
