# SPDX-License-Identifier: Apache-2.0
"""python-memcached that takes data from the network, and no programs.

Each item has flags, and whoever can write to memcached sets them: python-memcached unpickles an
item that says it is a pickle, which can run any program. Tokens that keystonemiddleware caches are
text, encrypted or not: the flags come before that. This module stands before the distribution's in
``sys.path``. Its Client behaves as if a pickle were not there, unless it came through UNIX sockets.
"""

import importlib.machinery
import importlib.util
import sys
from io import BytesIO
from pathlib import Path
from typing import Any


def _original() -> Any:
    """Return the module that this one hides."""
    here = Path(__file__).parent
    others = [folder for folder in sys.path if folder and Path(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("memcache", others)
    if spec is None or spec.loader is None:
        raise ImportError("python-memcached is not installed", name="memcache")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_memcache = _original()
globals().update({name: one for name, one in vars(_memcache).items() if name[:2] != "__"})


class RefusedPickle:
    """An unpickler that never unpickles; python-memcached then returns None for the item."""

    def __init__(self, file: BytesIO) -> None:
        """Leave ``file`` unread."""

    def load(self) -> Any:
        """Refuse."""
        raise ValueError("a pickle from the network")


class Client(_memcache.Client):  # type: ignore[name-defined, misc] # it has no types
    """The original Client, with RefusedPickle where a server is reached over the network."""

    def __init__(self, servers: Any, *arguments: Any, **options: Any) -> None:
        """Take the arguments of the original."""
        super().__init__(servers, *arguments, **options)
        # A server may have a weight: (SERVER, WEIGHT).
        names = [one[0] if isinstance(one, tuple) else one for one in servers]
        if not all(name.startswith("unix:") for name in names):
            self.unpickler = RefusedPickle
