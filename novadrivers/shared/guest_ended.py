# SPDX-License-Identifier: Apache-2.0
"""The fault of a server whose guest ended, with its first process, while it was being built.

Without it Nova waits for a guest that never runs (LibvirtDriver.spawn, ``_wait_for_boot``) or
reports it as active.
"""

import re
import time
from collections.abc import Callable

FAULT_BYTES = 255
"""Maximum length of a server's fault; Nova cuts off what is longer (compute_utils)."""
SETTLE_SECONDS = 2.0
"""How long a guest is watched after its start. Its boot goes on meanwhile."""
INTERVAL_SECONDS = 0.2
HEAD = "the guest's first process ended at once. Its console:"
NOTHING = "the guest's first process ended at once, with nothing on its console"
# Escape sequences of terminals (ECMA-48), then the other control characters but line feeds.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-_])|[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def message(console: bytes) -> str:
    """Return a fault with the last lines of ``console``, as many as a fault has room for."""
    text = _CONTROL.sub("", console.decode("utf-8", "replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    room = FAULT_BYTES - len(HEAD.encode()) - 1
    tail = "\n".join(lines).encode()[-room:].decode("utf-8", "ignore")
    return f"{HEAD}\n{tail}" if tail else NOTHING


def watch(is_down: Callable[[], bool], seconds: float = SETTLE_SECONDS) -> bool:
    """Return True as soon as ``is_down`` does, False if it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not is_down():
        if time.monotonic() >= deadline:
            return False
        time.sleep(INTERVAL_SECONDS)
    return True
