"""What can befall a run, and how the process has to take it."""

import contextlib
import pathlib
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from experiments.faults.life import Life, newest

LONGEST_WAIT = 1.5  # seconds of training before a fault


class Fault(NamedTuple):
    """A fault: `strike` does it and gives back what the process did wrong, if anything."""

    strike: Callable[[Life, random.Random], str]
    deadly: bool = True  # whether the process is to end by it
    damages: bool = False  # whether the newest checkpoint may be lost by it
    needs: Callable[[pathlib.Path], bool] = lambda run: True  # whether it can be done there


def some_time(life: Life, moments: random.Random) -> None:
    """Mostly a moment of the training, sometimes one of the start."""
    if moments.random() < 0.85:
        life.wait_for(life.trains)
    stop = time.monotonic() + moments.uniform(0.0, LONGEST_WAIT)
    life.wait_for(lambda: time.monotonic() > stop)


def ended(life: Life, statuses: tuple[int, ...], sentence: str) -> str:
    """What is wrong with how it ended: it has to be by one of the statuses, with that sentence
    and no traceback beside it."""
    status, err = life.end(), life.err
    if status == 0:
        return ""  # it was faster
    if status not in statuses:
        return f"status {status}: {err[-300:]}"
    if status > 0 and (sentence not in err or "Traceback" in err):
        return f"status {status} and said: {err[-300:]}"
    return ""


def killed(life: Life, moments: random.Random) -> str:
    some_time(life, moments)
    life.signal(signal.SIGKILL)
    return ended(life, (-signal.SIGKILL,), "")


def killed_while_writing(life: Life, moments: random.Random) -> str:
    life.wait_for(life.trains)
    life.wait_for(life.writes)
    time.sleep(moments.uniform(0.0, 0.05))
    life.signal(signal.SIGKILL)
    return ended(life, (-signal.SIGKILL,), "")


def asked_to_end(number: signal.Signals) -> Callable[[Life, random.Random], str]:
    """In training it saves and says so; before and after that it ends as any program does."""

    def strike(life: Life, moments: random.Random) -> str:
        some_time(life, moments)
        early = not life.trains()
        life.signal(number)
        wrong = ended(life, (128 + number,), "the same command")
        outside = early or life.trained()
        return "" if outside and life.process.returncode == -number else wrong

    return strike


def stopped_for_a_while(life: Life, moments: random.Random) -> str:
    some_time(life, moments)
    life.signal(signal.SIGSTOP)
    time.sleep(moments.uniform(0.2, 2.0))
    life.signal(signal.SIGCONT)
    return unhurt(life)


def clock_jumps(life: Life, moments: random.Random) -> str:
    life.wait_for(life.trains)
    life.signal(signal.SIGUSR1)
    return unhurt(life)


def unhurt(life: Life) -> str:
    """Nothing wrong if it goes on, or has ended well."""
    if life.going() or life.end() == 0:
        return ""
    return f"status {life.end()}: {life.err[-300:]}"


def a_second_run(life: Life, moments: random.Random) -> str:
    life.wait_for(life.trains)
    second = Life(life.words, life.run)
    status = second.end()
    refused = status == 2 and "another run is using this folder" in second.err
    fine = refused and second.err.count("\n") == 1
    if fine or not life.going():  # the second may well go on where the first has ended
        return unhurt(life)
    return f"the second run: status {status}, {second.err[-300:]}"


def disk_full(life: Life, moments: random.Random) -> str:
    some_time(life, moments)
    filling = life.run.parent / "filling"
    with contextlib.suppress(OSError):  # the run itself may need the space first
        free = shutil.disk_usage(life.run.parent).free
        filling.write_bytes(bytes(max(free - moments.randrange(100_000), 0)))
    try:
        return ended(life, (1,), "No space left on device; free some space")
    finally:
        filling.unlink(missing_ok=True)


def read_only(life: Life, moments: random.Random) -> str:
    some_time(life, moments)
    folders = [p for p in (life.run, life.run / "checkpoints") if p.is_dir()]
    try:
        for folder in folders:
            subprocess.run(["chattr", "+i", folder], check=True)
        return ended(life, (1, 2), "the same command" if life.trains() else "cannot be written")
    finally:
        for folder in folders:
            subprocess.run(["chattr", "-i", folder], check=True)


def cut(file: pathlib.Path, moments: random.Random) -> None:
    with open(file, "r+b") as opened:
        opened.truncate(moments.randrange(max(file.stat().st_size, 1)))


def bit_flipped(file: pathlib.Path, moments: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[moments.randrange(len(content))] ^= 1 << moments.randrange(8)
    file.write_bytes(content)


def damaged(how: Callable[[pathlib.Path, random.Random], None]) -> Callable:
    """Killed, and a file of the newest checkpoint damaged before the next start."""

    def strike(life: Life, moments: random.Random) -> str:
        wrong = killed(life, moments)
        files = sorted(f for f in _newest_folder(life).rglob("*") if f.is_file())
        if files and life.process.returncode:  # a run that has ended is not to be hurt any more
            how(moments.choice(files), moments)
        return wrong

    return strike


def _newest_folder(life: Life) -> pathlib.Path:
    return life.run / "checkpoints" / str(newest(life.run))


def can_be_made_immutable(run: pathlib.Path) -> bool:
    """Whether `chattr` works there: on Linux, as root, on most file systems."""
    try:
        for flag in ("+i", "-i"):
            subprocess.run(["chattr", flag, run.parent], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return False
    return True


def on_a_small_disk(run: pathlib.Path) -> bool:
    """Whether filling its disk hurts nobody else."""
    return run.parent.is_mount()


FAULTS = {
    "killed (SIGKILL)": Fault(killed),
    "killed while a checkpoint is written": Fault(killed_while_writing),
    "SIGTERM": Fault(asked_to_end(signal.SIGTERM)),
    "Ctrl-C": Fault(asked_to_end(signal.SIGINT)),
    "stopped, and continued": Fault(stopped_for_a_while, deadly=False),
    "the disk is full": Fault(disk_full, needs=on_a_small_disk),
    "the folder turns read-only": Fault(read_only, needs=can_be_made_immutable),
    "newest checkpoint cut": Fault(damaged(cut), damages=True),
    "newest checkpoint, a bit flipped": Fault(damaged(bit_flipped), damages=True),
    "a second run in the folder": Fault(a_second_run, deadly=False),
    "the clock jumps": Fault(clock_jumps, deadly=False),
}


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, kibibytes: int) -> Iterator[bool]:
    """Mounts a small disk at `folder`; False where that is not allowed."""
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
