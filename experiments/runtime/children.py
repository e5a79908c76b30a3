"""Child processes that a command of launch.sh starts, and that do not outlive it."""

import functools
import os
import subprocess
import threading
from collections.abc import Sequence

PIPE = "UNFOLD_PARENT"  # environment variable of a child: the descriptor of its end of the pipe


@functools.cache
def _pipe() -> int:
    """The read end of a pipe that nobody writes to; the write end closes when this process exits,
    for whatever reason."""
    return os.pipe()[0]


def start_child(command: Sequence[str], out=None) -> subprocess.Popen:
    """Starts a command as a child process, its output redirected to the file `out` if given.

    The child runs in a session of its own, so that a Ctrl-C at the terminal reaches only this
    process, which forwards it once.
    """
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=out and subprocess.STDOUT,
        start_new_session=True, pass_fds=[_pipe()], env=os.environ | {PIPE: str(_pipe())},
    )  # fmt: skip


def end_with_parent() -> None:
    """In a process that `start_child` started: exits at once when the parent has exited."""
    pipe = os.environ.pop(PIPE, "")
    if pipe:
        threading.Thread(target=_end_after, args=(int(pipe),), daemon=True).start()


def _end_after(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)
