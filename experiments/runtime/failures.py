"""The ways a run ends before its last step, other than by a user's mistake."""

import errno

# What the system says when nothing more can be written, and what to do about it.
UNWRITABLE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
}


class Diverged(Exception):
    """The loss or the parameters grew beyond all bounds; the message is one sentence."""


class Interrupted(Exception):
    """A signal asked the run to stop, and its state is saved; the message says how to go on."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal
