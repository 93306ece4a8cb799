"""Processes that work for the server: they end with it, and only it stops them."""

import multiprocessing
import os
import signal
import threading

from api.request_log import log_to_standard_error


def begin_worker_process() -> None:
    """Make this process a worker: a Ctrl+C in the terminal is the server's, and nobody outlives a killed server.

    A pool's worker holds both ends of the pipe it waits at, so that the end of its parent alone is no end to it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_standard_error()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: "multiprocessing.process.BaseProcess") -> None:
    parent.join()
    os._exit(1)
