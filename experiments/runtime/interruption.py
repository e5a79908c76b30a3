"""SIGTERM and Ctrl-C, handled between device calls, never during one."""

import contextlib
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Pending:
    """The signal received so far; 0 if none."""

    signal: int = 0


@contextlib.contextmanager
def signals_deferred() -> Iterator[Pending]:
    """Records the first signal received inside the context instead of acting on it.

    A second signal takes effect at once, so that an impatient user can stop the run. Outside the
    main thread Python allows no signal handlers, and signals are not deferred.
    """
    pending = Pending()
    before = {}

    def record(number, frame):
        pending.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for each in SIGNALS:
            before[each] = signal.signal(each, record)
    except ValueError:  # not the main thread
        pass
    try:
        yield pending
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
