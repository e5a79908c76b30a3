"""Several processes on this machine share each batch: a pod in a box, over the loopback.

    ./launch.sh multi 2 lenet5 --preset=quick

Process 0 is the one that is seen and that writes. If one of them ends badly, all end.
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

USAGE = "Write ./launch.sh multi N EXPERIMENT [--flags], with N processes from 1 to 256."
RESUMABLE = (2, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # these say themselves what to do
PATIENCE = 15.0  # seconds in which the others may notice by themselves that one is gone
GRACE = 5.0  # and seconds to end in when they are asked to


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parsed(words: Sequence[str]) -> tuple[int, list[str]]:
    """(how many processes, the experiment and its flags); raises UserError."""
    if len(words) < 2 or not re.fullmatch(r"\d{1,3}", words[0]) or not 1 <= int(words[0]) <= 256:
        raise UserError(USAGE)
    ours = ("--distributed", "--coordinator", "--num_processes", "--process_id")
    for word in words[2:]:
        if word.partition("=")[0] in ours:
            raise UserError(f"{word}: multi sets it.")
    return int(words[0]), list(words[1:])


def started(count: int, words: Sequence[str], logs: Sequence) -> list[subprocess.Popen]:
    """The processes; what all but the first of them say goes into their logs."""
    command = [sys.executable, "-P", "-m", f"experiments.{words[0]}", *words[1:]]
    shared = [f"--coordinator=127.0.0.1:{free_port()}", f"--num_processes={count}"]
    return [
        children.start_child(
            [*command, "--distributed=on", *shared, f"--process_id={i}"], logs[i] if i else None
        )
        for i in range(count)
    ]


@contextlib.contextmanager
def passed_on(processes: Sequence[subprocess.Popen]) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM go to the processes, which save and end."""

    def pass_on(number, frame):
        _send(processes, number)

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def first_failure(processes: Sequence[subprocess.Popen]) -> tuple[int, int] | None:
    """(number, status) of the process that first ends badly; None when all have ended well.

    Of several seen at once it is one that was killed: the others will have lost it.
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
    """Waits until all are gone, more and more firmly."""
    for seconds, number in ((PATIENCE, signal.SIGTERM), (GRACE, signal.SIGKILL)):
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


def named(status: int) -> str:
    """`was killed by SIGKILL`, or `failed with status 1`."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"failed with status {status}"


def run(words: Sequence[str]) -> int:
    """Runs the experiment in N processes; returns the exit status."""
    count, words = parsed(words)
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        processes = started(count, words, logs)
        with passed_on(processes):
            failure = first_failure(processes)
            if failure is None:
                return 0
            end(processes)
        number, status = failure
        if status in RESUMABLE and processes[0].returncode == status:
            return status  # process 0 has said why
        if number:
            logs[number].seek(0)
            print("".join(logs[number].readlines()[-20:]), end="", file=sys.stderr)
        print(
            f"Process {number} of {count} {named(status)}, and all were ended; the same command "
            "goes on from the last checkpoint.",
            file=sys.stderr,
        )
        return status if status in RESUMABLE else 1


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
