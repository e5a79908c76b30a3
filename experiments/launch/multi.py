"""Trains in several processes on this machine, which share each batch.

    ./launch.sh multi 2 lenet5 --preset=quick

Only process 0 prints and writes. If one process fails, all of them are stopped.
"""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from data.errors import UserError
from experiments.launch import main_of
from experiments.runtime import children

USAGE = "Write ./launch.sh multi N EXPERIMENT [--flags], with N processes, from 1 to 256."
EXPLAINED = (2, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # process 0 has printed what to do
NOTICE_SECONDS = 15.0  # for the others to notice that one has exited
GRACE_SECONDS = 5.0  # for them to exit after SIGTERM


def free_port() -> int:
    """An unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parsed(words: Sequence[str]) -> tuple[int, list[str]]:
    """(number of processes, the experiment and its flags); raises UserError."""
    if len(words) < 2 or not re.fullmatch(r"\d{1,3}", words[0]) or not 1 <= int(words[0]) <= 256:
        raise UserError(USAGE)
    ours = ("--distributed", "--coordinator", "--num_processes", "--process_id")
    for word in words[2:]:
        if word.partition("=")[0] in ours:
            raise UserError(f"{word}: leave this flag out; multi sets it.")
    return int(words[0]), list(words[1:])


def start(count: int, words: Sequence[str], logs: Sequence) -> list[subprocess.Popen]:
    """Starts the processes; the output of all but the first goes to their logs."""
    command = [sys.executable, "-P", "-m", f"experiments.{words[0]}", *words[1:]]
    shared = [f"--coordinator=127.0.0.1:{free_port()}", f"--num_processes={count}"]
    return [
        children.start_child(
            [*command, "--distributed=on", *shared, f"--process_id={i}"], logs[i] if i else None
        )
        for i in range(count)
    ]


@contextlib.contextmanager
def signals_forwarded(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Inside the context, Ctrl-C and SIGTERM are forwarded to the processes."""

    def forward(number, frame):
        _send(processes, number)

    before = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def first_failure(processes: Sequence[subprocess.Popen]) -> tuple[int, int] | None:
    """(index, status) of the first process to fail; None when all have succeeded.

    If several have failed, it is one that was killed: the others failed because they lost it.
    """
    while True:
        statuses = [process.poll() for process in processes]
        bad = [(i, status) for i, status in enumerate(statuses) if status]
        if bad:
            return min(bad, key=lambda failure: (failure[1] > 0, failure[0]))
        if all(status == 0 for status in statuses):
            return None
        time.sleep(0.05)


def end(processes: Sequence[subprocess.Popen]) -> None:
    """Waits until all processes have exited; sends SIGTERM, then SIGKILL, to those that do not."""
    for seconds, number in ((NOTICE_SECONDS, signal.SIGTERM), (GRACE_SECONDS, signal.SIGKILL)):
        stop = time.monotonic() + seconds
        while time.monotonic() < stop and any(process.poll() is None for process in processes):
            time.sleep(0.05)
        _send(processes, number)
    for process in processes:
        process.wait()


def _send(processes: Sequence[subprocess.Popen], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def describe(status: int) -> str:
    """`was killed by SIGKILL`, or `failed with status 1`."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"failed with status {status}"


def run(words: Sequence[str]) -> int:
    """Runs the experiment in N processes; returns the exit status."""
    count, words = parsed(words)
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        processes = start(count, words, logs)
        with signals_forwarded(processes):
            failure = first_failure(processes)
            if failure is None:
                return 0
            end(processes)
        index, status = failure
        if status in EXPLAINED and processes[0].returncode == status:
            return status
        if index:
            logs[index].seek(0)
            print("".join(logs[index].readlines()[-20:]), end="", file=sys.stderr)
        print(
            f"Process {index} of {count} {describe(status)}, so all were stopped; run the same "
            "command to resume from the last checkpoint.",
            file=sys.stderr,
        )
        return status if status in EXPLAINED else 1


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
