# SPDX-License-Identifier: Apache-2.0
"""What is at work and for how long, at the bottom of the terminal, by rich.

rich takes a tenth of a second to import, so that happens only where there is a terminal.
"""

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from altostratus.errors import printable


def is_terminal() -> bool:
    """Tell whether standard error is a terminal on which lines can be drawn again."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class LiveSteps:
    """The lines at the bottom of the terminal: what is at work, and for how long."""

    _all: weakref.WeakSet["LiveSteps"] = weakref.WeakSet()

    def __init__(self) -> None:
        """Show nothing yet."""
        self._lock = threading.RLock()
        self._texts: dict[object, tuple[str, float]] = {}
        self._display: Any = None
        LiveSteps._all.add(self)

    @contextlib.contextmanager
    def shown(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show ``text`` with its time while the body runs; see ``Progress.activity``."""
        key, started = object(), time.monotonic()

        def change(new: str) -> None:
            with self._lock:
                self._texts[key] = (new, started)
                if self._display is not None:
                    self._display.refresh()

        change(text)
        self._start()
        try:
            yield change
        finally:
            with self._lock:
                del self._texts[key]
                if not self._texts:
                    self._stop()

    def write(self, text: str) -> None:
        """Print ``text`` above what is shown."""
        with self._lock:
            if self._display is None:
                sys.stderr.write(text)
                sys.stderr.flush()
            else:
                self._display.console.out(text, end="", highlight=False)

    def _start(self) -> None:
        # Imported here: it takes a tenth of a second.
        from rich.console import Console
        from rich.live import Live

        with self._lock:
            if self._display is None and self._texts:
                console = Console(stderr=True)
                self._display = Live(
                    console=console,
                    get_renderable=self._render,
                    transient=True,
                    refresh_per_second=4,
                )
                self._display.start()

    def _stop(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _render(self) -> Any:
        from rich.text import Text

        now = time.monotonic()
        # A copy: it is drawn by a thread of its own.
        open_ = list(self._texts.values())
        lines = [f"  {printable(text, '')} … {_elapsed(now - began)}" for text, began in open_]
        return Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")

    @classmethod
    @contextlib.contextmanager
    def hidden(cls) -> Iterator[None]:
        """Leave the terminal to another program while the body runs."""
        displays = list(cls._all)
        for each in displays:
            with each._lock:
                each._stop()
        try:
            yield
        finally:
            for each in displays:
                each._start()


def _elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
