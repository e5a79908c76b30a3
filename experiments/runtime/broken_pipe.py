"""Output whose reader stops early, as in `./launch.sh | head`."""

import os
import select
import signal
import sys
from collections.abc import Callable

STATUS = 128 + signal.SIGPIPE  # what a shell reports for a program killed by SIGPIPE


def quiet_if_unread(main: Callable[..., int], *arguments) -> int:
    """`main(*arguments)`, an exit status; `STATUS`, without a traceback, if its reader is gone.

    Raises:
      BrokenPipeError: for a pipe other than standard output and standard error.
    """
    try:
        status = main(*arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream.fileno())]
        if not unread:
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in unread:  # or Python would report an error when it flushes them at exit
            os.dup2(nowhere, stream.fileno())
        return STATUS


def _has_no_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
