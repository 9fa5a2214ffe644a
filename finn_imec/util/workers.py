"""Where long work runs: in processes of this machine, or on the workers of a dask cluster."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar

from finn_imec.util import interrupts
from finn_imec.util.errors import ImecError, require

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds to reach a scheduler, and for its first worker to come.
CONNECT_S, FIRST_WORKER_S = 10, 60
_PACKAGE = Path(__file__).parents[1]
_CODE = (".py", ".sv", ".v", ".j2", ".cpp", ".h", ".hpp", ".tcl")


class ClusterError(ImecError, RuntimeError):
    """The cluster is not there, runs other code, or lost a task for good; names its address."""


@contextmanager
def workers(jobs: int = 1, cluster: str | None = None) -> Iterator[Executor]:
    """An executor of `jobs` processes or, with the address of a dask scheduler, of all workers there.

    Functions, arguments and results are pickled. A process that dies ends the work with ImecError; what a
    dask worker had when it died runs again on another. Raises MissingToolError without dask.distributed, and
    ClusterError if the scheduler does not answer, has no workers, or they run another finn_imec.
    """
    if cluster is None:
        # Not forked: other threads of this process may hold locks.
        with ProcessPoolExecutor(jobs, get_context("spawn"), _start) as pool:
            try:
                yield pool
            except BrokenProcessPool as err:
                raise ImecError("a worker process died, perhaps for lack of memory: try fewer jobs") from err
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return
    distributed = require("distributed", "cluster")
    try:
        client = distributed.Client(cluster, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as err:  # no such host, no answer, no address
        raise ClusterError(f"cluster={cluster!r}: no dask scheduler answers there ({err})") from err
    with client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except TimeoutError as err:
            raise ClusterError(
                f"cluster={cluster!r} has no workers after {FIRST_WORKER_S} s: start some with `dask worker`"
            ) from err
        _check_code(client, cluster)
        try:
            yield client.get_executor(pure=False)
        except distributed.scheduler.KilledWorker as err:
            raise ClusterError(f"cluster={cluster!r}: {err}") from err


def each(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    executor: Executor | None = None,
    finished: Callable[[int, Result], None] = lambda index, result: None,
) -> list[Result]:
    """function(item) of each item, in order; here, one by one, without an executor.

    finished gets the index and the result of each as soon as it is there. The first exception is raised, and
    what has not started is cancelled.
    """
    if executor is None:
        results = []
        for index, item in enumerate(items):
            results.append(function(item))
            finished(index, results[-1])
        return results
    index_of = {executor.submit(function, item): index for index, item in enumerate(items)}
    try:
        for future in as_completed(index_of):
            finished(index_of[future], future.result())
    except BaseException:
        for future in index_of:
            future.cancel()
        raise
    return [future.result() for future in index_of]


def _start() -> None:
    """In a new process: Ctrl-C is its parent's, and so is the end. What it has not finished goes with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.install()
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        connection.wait([parent.sentinel])
        interrupts.end(signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _check_code(client: Any, cluster: str) -> None:
    """Raise ClusterError for workers whose finn_imec is not this one."""
    for worker, digest in client.run(package_digest, on_error="return").items():
        if digest != package_digest():
            what = f"cannot import it ({digest})" if isinstance(digest, BaseException) else "has another one"
            raise ClusterError(f"cluster={cluster!r}: every worker needs this finn_imec; {worker} {what}")


def package_digest() -> str:
    """16 hexadecimal digits that change with any line of the package's code."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in _CODE:
            digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
