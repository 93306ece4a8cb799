"""faiss, always on one OpenMP thread.

A fork after a parallel region with more threads hangs the child at its next one (some kernels open
one even for a single query), and the graph built by several threads depends on their timing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def single_threaded_faiss() -> Iterator[Any]:
    """Give the module with OpenMP at one thread for the caller's thread; put back what was after.

    Untyped: its stubs lack half of what it has.
    """
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield faiss
    finally:
        faiss.omp_set_num_threads(threads)
