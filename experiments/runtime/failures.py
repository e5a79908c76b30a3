"""Reasons, other than a user's mistake, for a run to end before its last step."""

import errno

# The errors of a disk or folder that cannot be written to, and what to do about each.
UNWRITABLE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
}


def printable(message: str) -> str:
    """`message` with what cannot be printed escaped: a file name may have a line end, say."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)


class Diverged(Exception):
    """The loss or the parameters grew without bound; the message is one sentence."""


class Interrupted(Exception):
    """A signal stopped the run and its state is saved; the message says how to resume it."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal
