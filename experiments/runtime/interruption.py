"""SIGTERM and Ctrl-C, noticed between two calls to the device instead of in the middle of one."""

import contextlib
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Pending:
    """The signal that has come in; 0 if none has."""

    signal: int = 0


@contextlib.contextmanager
def signals_deferred() -> Iterator[Pending]:
    """Within, the first signal is only noted; a second one acts as ever, for the impatient.

    Outside the main thread nothing can be noted, and nothing is.
    """
    pending = Pending()
    before = {}

    def note(number, frame):
        pending.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for each in SIGNALS:
            before[each] = signal.signal(each, note)
    except ValueError:  # not the main thread
        pass
    try:
        yield pending
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
