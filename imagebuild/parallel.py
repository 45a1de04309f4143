# SPDX-License-Identifier: Apache-2.0
"""Runs tasks in threads: an interruption stops all of them, and every failure is reported."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from altostratus import process
from altostratus.errors import AltostratusError

POLL = 0.5
"""Seconds between two checks whether a task has ended or another process has released a lock."""

Result = TypeVar("Result")


def check_stopping(stopping: threading.Event) -> None:
    """Raise AltostratusError if ``stopping`` is set."""
    if stopping.is_set():
        raise AltostratusError("stopped")


def run_all(
    tasks: Sequence[tuple[str, Callable[[], Result]]], jobs: int, stopping: threading.Event
) -> list[Result]:
    """Run the named ``tasks``, at most ``jobs`` at a time, and return their results in order.

    The failure of one does not stop the others. Raises its error, or for several failures an
    AltostratusError that names all. An interruption sets ``stopping`` and ends the commands that
    ``altostratus.process`` runs, before it is raised again: after some seconds, or at another
    interruption, it kills them.
    """
    # Unlike threading's locks, it is not harmed by an interruption inside it.
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()

    def started(task: Callable[[], Result]) -> Result:
        gate.get()
        check_stopping(stopping)
        return task()

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures: list[Future[Result]] = []
        try:
            # No task runs before all are submitted: an interruption must find every one of them.
            futures += [pool.submit(started, task) for _, task in tasks]
            for _ in tasks:
                gate.put(None)
            # A signal that comes just before a wait without timeout would not end it.
            while wait(futures, POLL).not_done:
                pass
        except BaseException:
            stopping.set()
            for _ in tasks:
                gate.put(None)
            pool.shutdown(wait=False, cancel_futures=True)
            _end(futures)
            raise
    return _results([name for name, _ in tasks], futures)


def _end(futures: Sequence[Future[Result]]) -> None:
    """Stop the commands of the tasks until all have ended."""
    deadline = time.monotonic() + process.GRACE
    while True:
        try:
            # Repeated, because a task may have been about to start a command.
            while wait(futures, POLL).not_done:
                process.stop_running(force=time.monotonic() > deadline)
            return
        except KeyboardInterrupt:
            deadline = 0.0


def _results(names: Sequence[str], futures: Sequence[Future[Result]]) -> list[Result]:
    failures = [
        (name, error)
        for name, future in zip(names, futures, strict=True)
        if (error := future.exception())
    ]
    if len(failures) == 1:
        raise failures[0][1]
    if failures:
        hints = [error.hint for _, error in failures if isinstance(error, AltostratusError)]
        raise AltostratusError(
            f"{len(failures)} of {len(names)} images failed\n"
            + "\n".join(f"{name}: {error}" for name, error in failures),
            "\n".join(dict.fromkeys(hint for hint in hints if hint)) or None,
        )
    return [future.result() for future in futures]
