"""Times the forms of a workload in turn, each in its own process: rounds, medians, ratios.

Whatever disturbs the machine for a while then disturbs all forms of a round. A worker first prints
how long compilation took; then, for each line that it reads, it runs steps for a while and prints
the median microseconds per step.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import rich.table

from data.errors import UserError
from experiments.runtime.terminal import console

# What launch.sh sets so that the C library keeps freed memory; a form runs with or without it.
HEAP = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "2147483647",
    "MALLOC_TOP_PAD_": "67108864",
    "MALLOC_ARENA_MAX": "1",
}
ROUND_SECONDS = 0.3
# After a round a form's threads may spin for a while (OpenMP's do, for 0.2 s with some libraries)
# on the cores that the next form needs.
PAUSE_SECONDS = 0.5
COLUMNS = ("workload", "cores", "ours_ms", "peer", "peer_ms", "ratio")


def chosen(workloads: Mapping[str, Any], only: str) -> dict[str, Any]:
    """The workloads whose names contain `only`; raises UserError if there are none."""
    found = {name: w for name, w in workloads.items() if only.lower() in name.lower()}
    if not found:
        raise UserError(f"--only={only}: give a part of one of the names: {'; '.join(workloads)}.")
    return found


def core_counts(wanted: Iterable[int]) -> list[int | None]:
    """Those of `wanted` that a process can be pinned to; [None], not pinned, if there are none."""
    if not hasattr(os, "sched_setaffinity"):
        return [None]
    return [n for n in wanted if n <= len(os.sched_getaffinity(0))] or [None]


def serve(step: Callable[[], Any], wait: Callable[[Any], Any], steps: int = 1) -> None:
    """The worker's side: `step` runs `steps` training steps, `wait` blocks on what it returns."""
    start = time.perf_counter()
    wait(step())
    print(time.perf_counter() - start, flush=True)
    for _ in range(3):
        wait(step())
    for _ in sys.stdin:
        times, end = [], time.perf_counter() + ROUND_SECONDS
        while len(times) < 2 or time.perf_counter() < end:
            start = time.perf_counter()
            wait(step())
            times.append((time.perf_counter() - start) / steps * 1e6)
        print(statistics.median(times), flush=True)


class Worker:
    """A process that times one form, a round at a time."""

    def __init__(
        self,
        module: str,
        words: Iterable[str],
        heap: bool,
        cores: int | None = None,
        **environment: str,
    ):
        """Starts it.

        Args:
          module, words: the module that `python -m` runs, and its arguments.
          heap: whether the C library keeps freed memory.
          cores: how many cores it is pinned to, counted from the last; None: not pinned.
          environment: further environment variables.
        """
        environment |= {k: v for k, v in os.environ.items() if k not in {*HEAP, *environment}}
        if cores:  # XLA counts the cores it may run on, OpenMP reads the variable
            environment["OMP_NUM_THREADS"] = str(cores)
        with pinned(cores):
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *words],
                env=environment | (HEAP if heap else {}),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        self.compile_seconds = self._answer()
        self.times: list[float] = []

    def _answer(self) -> float:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker failed: {self._process.args}")
        return float(line)

    def round(self) -> None:
        """Times one round, in microseconds per step."""
        time.sleep(PAUSE_SECONDS)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.times.append(self._answer())

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()

    @property
    def median(self) -> float:
        """The median of the rounds, in milliseconds per step."""
        return statistics.median(self.times) / 1000


@contextlib.contextmanager
def pinned(cores: int | None) -> Iterator[None]:
    """Pins processes started inside to the last cores, since the first ones handle interrupts.

    A process inherits the cores of the thread that starts it; choosing them between fork and exec
    instead is not safe while JAX's threads run.
    """
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-cores:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def rows(
    workload: str,
    ours: tuple[str, list[str]],
    peers: dict[str, tuple[str, list[str]]],
    rounds: int,
    cores: int | None = None,
) -> list[dict[str, Any]]:
    """Times ours against every peer, each peer both by default and with our heap setting.

    Args:
      workload: its name.
      ours: the worker's module and arguments.
      peers: the same for each peer, by name.
      rounds: number of times each form is timed.
      cores: how many each process is pinned to; None: not pinned.

    Returns:
      Two rows, against the best peer by default and the best with our heap setting.
    """
    workers = {("ours", True): Worker(*ours, heap=True, cores=cores)}
    # torch.compile caches on disk: in a new folder, so that a peer's first form is compiled in
    # full, and its second reuses the result.
    with tempfile.TemporaryDirectory() as cache:
        for name, peer in peers.items():
            for heap in (False, True):
                workers[name, heap] = Worker(
                    *peer, heap=heap, cores=cores, TORCHINDUCTOR_CACHE_DIR=cache
                )
        for _ in range(rounds):
            for worker in workers.values():
                worker.round()
        for worker in workers.values():
            worker.close()
    mine = workers.pop(("ours", True))
    return [_row(workload, mine, workers, heap, cores) for heap in (False, True)]


def _row(workload, mine: Worker, workers: dict, heap: bool, cores: int | None) -> dict[str, Any]:
    name, best = min(
        ((n, w) for (n, kept), w in workers.items() if kept == heap), key=lambda nw: nw[1].median
    )
    return {
        "workload": workload + (", PyTorch with the heap kept too" if heap else ""),
        "ours_ms": round(mine.median, 4),
        "peer": f"PyTorch {name}",
        "peer_ms": round(best.median, 4),
        "ratio": round(best.median / mine.median, 3),
        "cores": cores or os.cpu_count(),
        "rounds": len(mine.times),
        "ours_rounds_ms": [round(microseconds / 1000, 4) for microseconds in mine.times],
        "ours_compile_s": round(mine.compile_seconds, 1),
        "peer_compile_s": round(workers[name, False].compile_seconds, 1),
        "all_peers_ms": {n: round(w.median, 4) for (n, kept), w in workers.items() if kept == heap},
    }


def print_rows(all_rows: list[dict[str, Any]], columns: Iterable[str] = COLUMNS) -> None:
    """Prints the table; a ratio above 1 means that ours is faster."""
    table = rich.table.Table()
    for column in columns:
        numbers = any(isinstance(row.get(column), int | float) for row in all_rows)
        table.add_column(column, justify="right" if numbers else "left")
    for row in all_rows:
        cells = (row.get(column.header) for column in table.columns)
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console(width=120).print(table)
