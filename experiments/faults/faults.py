"""The faults that a run may suffer, and how its process must react to each."""

import contextlib
import pathlib
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from experiments.faults.run_process import RunProcess, newest

LONGEST_DELAY = 1.5  # seconds before a fault


class Fault(NamedTuple):
    """A fault; `inject` causes it, and returns what was wrong with the reaction, or nothing."""

    inject: Callable[[RunProcess, random.Random], str]
    fatal: bool = True  # whether the process should end
    damages: bool = False  # whether the newest checkpoint may be lost
    possible: Callable[[pathlib.Path], bool] = lambda run: True  # given the run's folder


def random_delay(process: RunProcess, generator: random.Random) -> None:
    """Waits for a random moment, mostly during training, sometimes during start-up."""
    if generator.random() < 0.85:
        process.wait_for(process.training)
    stop = time.monotonic() + generator.uniform(0.0, LONGEST_DELAY)
    process.wait_for(lambda: time.monotonic() > stop)


def wrong_exit(process: RunProcess, statuses: tuple[int, ...], message: str) -> str:
    """What is wrong with the exit: its status, its message, or a traceback; empty if nothing."""
    status, err = process.wait(), process.err
    if status == 0:
        return ""  # it finished before the fault
    if status not in statuses:
        return f"status {status}: {err[-300:]}"
    if status > 0 and (message not in err or "Traceback" in err):
        return f"status {status} with the message: {err[-300:]}"
    return ""


def failure(process: RunProcess) -> str:
    """How the process has failed; empty if it is still running or has succeeded."""
    if process.running() or process.wait() == 0:
        return ""
    return f"status {process.wait()}: {process.err[-300:]}"


def kill(process: RunProcess, generator: random.Random) -> str:
    random_delay(process, generator)
    process.signal(signal.SIGKILL)
    return wrong_exit(process, (-signal.SIGKILL,), "")


def kill_while_writing(process: RunProcess, generator: random.Random) -> str:
    process.wait_for(process.training)
    process.wait_for(process.writing)
    time.sleep(generator.uniform(0.0, 0.05))
    process.signal(signal.SIGKILL)
    return wrong_exit(process, (-signal.SIGKILL,), "")


def interrupt(number: signal.Signals) -> Callable[[RunProcess, random.Random], str]:
    """A signal that makes a run save and say so; outside of training it may just kill it."""

    def inject(process: RunProcess, generator: random.Random) -> str:
        random_delay(process, generator)
        early = not process.training()
        process.signal(number)
        wrong = wrong_exit(process, (128 + number,), "the same command")
        outside = early or process.trained()
        return "" if outside and process.status == -number else wrong

    return inject


def suspend(process: RunProcess, generator: random.Random) -> str:
    random_delay(process, generator)
    process.signal(signal.SIGSTOP)
    time.sleep(generator.uniform(0.2, 2.0))
    process.signal(signal.SIGCONT)
    return failure(process)


def move_clock(process: RunProcess, generator: random.Random) -> str:
    process.wait_for(process.training)
    process.signal(signal.SIGUSR1)
    return failure(process)


def start_second_run(process: RunProcess, generator: random.Random) -> str:
    process.wait_for(process.training)
    second = RunProcess(process.words, process.run)
    status = second.wait()
    refused = status == 2 and "another run is using this folder" in second.err
    one_sentence = refused and second.err.count("\n") == 1
    if one_sentence or not process.running():  # the second may run once the first has ended
        return failure(process)
    return f"the second run: status {status}, {second.err[-300:]}"


def fill_disk(process: RunProcess, generator: random.Random) -> str:
    random_delay(process, generator)
    filler = process.run.parent / "filler"
    with contextlib.suppress(OSError):  # the run itself may use the space first
        free = shutil.disk_usage(process.run.parent).free
        filler.write_bytes(bytes(max(free - generator.randrange(100_000), 0)))
    try:
        return wrong_exit(process, (1,), "No space left on device; free some space")
    finally:
        filler.unlink(missing_ok=True)


def make_read_only(process: RunProcess, generator: random.Random) -> str:
    random_delay(process, generator)
    folders = [p for p in (process.run, process.run / "checkpoints") if p.is_dir()]
    try:
        for folder in folders:
            subprocess.run(["chattr", "+i", folder], check=True)
        message = "the same command" if process.training() else "cannot be written"
        return wrong_exit(process, (1, 2), message)
    finally:
        for folder in folders:
            subprocess.run(["chattr", "-i", folder], check=True)


def truncate(file: pathlib.Path, generator: random.Random) -> None:
    with open(file, "r+b") as opened:
        opened.truncate(generator.randrange(max(file.stat().st_size, 1)))


def flip_bit(file: pathlib.Path, generator: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    file.write_bytes(content)


def kill_and_damage(damage: Callable[[pathlib.Path, random.Random], None]) -> Callable:
    """Kills the process and damages a file of the newest checkpoint before the next start."""

    def inject(process: RunProcess, generator: random.Random) -> str:
        wrong = kill(process, generator)
        newest_checkpoint = process.run / "checkpoints" / str(newest(process.run))
        files = sorted(f for f in newest_checkpoint.rglob("*") if f.is_file())
        if files and process.status:  # a run that has finished is not resumed
            damage(generator.choice(files), generator)
        return wrong

    return inject


def kill_and_tear_figures(process: RunProcess, generator: random.Random) -> str:
    """Kills the process and cuts the last line of metrics.jsonl, as a power cut may."""
    wrong = kill(process, generator)
    metrics = process.run / "metrics.jsonl"
    if metrics.exists() and process.status:
        lines = metrics.read_bytes().splitlines(keepends=True)
        torn = lines[-1][: generator.randrange(len(lines[-1]))] if lines else b""
        metrics.write_bytes(b"".join(lines[:-1]) + torn)
    return wrong


def can_be_made_immutable(run: pathlib.Path) -> bool:
    """Whether `chattr` works on the folder: on Linux, as root, on most file systems."""
    try:
        for flag in ("+i", "-i"):
            subprocess.run(["chattr", flag, run.parent], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return False
    return True


def on_a_small_disk(run: pathlib.Path) -> bool:
    """Whether the run is on a small disk of its own, which may be filled."""
    return run.parent.is_mount()


FAULTS = {
    "killed (SIGKILL)": Fault(kill),
    "killed while a checkpoint is written": Fault(kill_while_writing),
    "SIGTERM": Fault(interrupt(signal.SIGTERM)),
    "Ctrl-C": Fault(interrupt(signal.SIGINT)),
    "stopped, and continued": Fault(suspend, fatal=False),
    "the disk is full": Fault(fill_disk, possible=on_a_small_disk),
    "the folder turns read-only": Fault(make_read_only, possible=can_be_made_immutable),
    "newest checkpoint cut": Fault(kill_and_damage(truncate), damages=True),
    "newest checkpoint, a bit flipped": Fault(kill_and_damage(flip_bit), damages=True),
    "last line of metrics.jsonl torn": Fault(kill_and_tear_figures),
    "a second run in the folder": Fault(start_second_run, fatal=False),
    "the clock jumps": Fault(move_clock, fatal=False),
}


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, kibibytes: int) -> Iterator[bool]:
    """Mounts a small disk at `folder`; yields False if that is not allowed."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)]
    allowed = (
        shutil.which("mount") is not None
        and subprocess.run(mount, capture_output=True).returncode == 0
    )
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
