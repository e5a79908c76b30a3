"""How far a run is, on the terminal: a bar, a line for each evaluation, speed and time left."""

import collections
import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping

import jax.monitoring
import rich.console
import rich.live
import rich.progress_bar
import rich.table
import rich.text

from experiments.runtime.numbers import readable
from experiments.runtime.processes import is_first
from experiments.runtime.terminal import console as terminal

RECENT_SECONDS, RECENT_CALLS = 20.0, 5  # the speed is of the calls of this time, or of this many
SILENCE = 30.0  # seconds without a line after which a run without a terminal prints one
SPLITS = ("test", "valid", "train")  # whose figures come first
ERRORS = ("error_percent", "wrong_percent")  # before a split's other figures
NARROWEST_BAR, WIDEST_BAR = 10, 40


class Compilations:
    """How many programs JAX has compiled in this process, since this module was imported."""

    count = 0

    @classmethod
    def listen(cls, event: str, seconds: float, **details) -> None:
        """For JAX, which calls it on many occasions."""
        cls.count += "backend_compile" in event


jax.monitoring.register_event_duration_secs_listener(Compilations.listen)


class Speed:
    """The time that a recent step took, without the calls that compiled and without pauses."""

    def __init__(self, done: int):
        self.first = self._step = done
        self._calls = collections.deque()  # (steps, seconds)
        self._last = None  # when the last call was sent off; pauses are added
        self._compiled = Compilations.count

    def to(self, step: int) -> None:
        """Training has come to this step. What came before the first call does not count."""
        now, same = time.monotonic(), self._compiled == Compilations.count
        if self._last is not None and step > self._step and same:
            self._calls.append((step - self._step, now - self._last))
        self._step, self._last, self._compiled = step, now, Compilations.count
        while len(self._calls) > RECENT_CALLS and self._seconds() > RECENT_SECONDS:
            self._calls.popleft()

    def pause(self, seconds: float) -> None:
        """Leaves out seconds that went by without training."""
        self._compiled = Compilations.count
        if self._last is not None:
            self._last += seconds

    def seconds_a_step(self) -> float | None:
        """The mean over recent steps; None before there is such a call."""
        calls = list(self._calls)
        if not calls:
            return None
        return sum(seconds for _, seconds in calls) / sum(steps for steps, _ in calls)

    def _seconds(self) -> float:
        return sum(seconds for _, seconds in self._calls)


class Progress:
    """A bar with speed and time left on a terminal; elsewhere plain lines.

    Each evaluation is a line that stays, its headline figure first: of the test part if there are
    any, or else of the validation part. Without a terminal there is also a line after every 30
    seconds without one. Of several processes the first alone prints.

    Args:
      done, total: the step that the run begins at, and the last.
      unit: what the speed counts: `characters`, `words`, `pictures`, `frames`.
      per_step: how many of them a step goes through, on average.
      console: where the bar is; standard error if None.
    """

    def __init__(
        self, done: int, total: int, *, unit: str = "steps", per_step: float = 1.0,
        console: rich.console.Console | None = None,
    ):  # fmt: skip
        self._step, self._total, self._unit, self._per_step = done, total, unit, per_step
        self._speed, self._begin, self._paused = Speed(done), time.monotonic(), 0.0
        self._headline, self._evaluating, self._printed = "", "", self._begin
        console = console or terminal(stderr=True)
        self._prints, self._live = is_first(), None
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._break_silence, daemon=True)
        if self._prints and console.is_terminal:
            self._live = rich.live.Live(
                console=console, get_renderable=lambda: self._bar(console.width), transient=True,
                redirect_stdout=sys.stdout.isatty(), refresh_per_second=4,
            )  # fmt: skip
            self._live.start()
        elif self._prints:
            self._watch.start()

    def to(self, step: int) -> None:
        """The step that training has come to, after each call to the device."""
        self._speed.to(step)
        self._step, self._evaluating = step, ""

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is not training: its time counts for the time left, not for the speed."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._evaluating = ""
            self._speed.pause(time.monotonic() - begin)
            self._paused += time.monotonic() - begin

    def evaluating(self, what: str, done: int, total: int) -> None:
        """How far a long evaluation is; `what` is the part that is evaluated."""
        self._evaluating = f"evaluating {what} {_percent(done, total)}"

    def show(self, step: int, figures: Mapping[str, float]) -> None:
        """An evaluation's figures, by names such as `test error_percent`."""
        self._step, self._evaluating = step, ""
        pieces = [f"{name.replace('_', ' ')} {readable(figures[name])}" for name in _order(figures)]
        self._headline = pieces[0] if pieces else ""
        step_of = f"step {step:,}/{self._total:,}"
        if self._live is not None:
            line = _fitting([step_of, *pieces], self._live.console.width, least=2)
            self._live.console.print(line, soft_wrap=True)
        if self._live is None or not sys.stdout.isatty():
            self._print([step_of, *pieces, self._speed_text()])

    def speed(self) -> float | None:
        """Units a second over recent steps, without compilation; None while there are none."""
        seconds = self._speed.seconds_a_step()
        return None if not seconds else self._per_step / seconds

    def close(self) -> None:
        """Leaves the terminal to others."""
        self._closed.set()
        if self._watch.is_alive():
            self._watch.join(timeout=5)
        if self._live is not None:
            self._live.stop()

    def _print(self, pieces: list[str]) -> None:
        if self._prints:
            self._printed = time.monotonic()
            print("  ".join(filter(None, pieces)), flush=True)

    def _break_silence(self) -> None:
        wait = SILENCE
        while not self._closed.wait(wait):
            wait = self._printed + SILENCE - time.monotonic()
            if wait <= 0:
                wait = SILENCE
                with contextlib.suppress(OSError, ValueError):  # the run itself meets them as well
                    self._print(self._sign_of_life())

    def _sign_of_life(self) -> list[str]:
        step = f"step {self._step:,}/{self._total:,}"
        if self._evaluating:
            return [step, self._evaluating]
        if self._speed.seconds_a_step() is None:
            since = _clock(time.monotonic() - self._begin)
            return [step, f"{since} since the start; the first steps wait for compilation"]
        return [step, _percent(self._step, self._total), self._left(), self._speed_text()]

    def _speed_text(self) -> str:
        speed = self.speed()
        return f"{readable(speed, 3)} {self._unit}/s" if speed else ""

    def _left(self) -> str:
        """The time left, if steps go on as fast as the last ones and pauses as the run's so far."""
        seconds, made = self._speed.seconds_a_step(), self._step - self._speed.first
        if seconds is None:
            return ""
        return f"{_clock((self._total - self._step) * (seconds + self._paused / made))} left"

    def _bar(self, width: int) -> rich.table.Table:
        """Headline, percent and time left; then, where there is room, a bar, speed and step."""
        pieces = [self._headline or "training", _percent(self._step, self._total),
                  self._evaluating or self._left(), self._speed_text(),
                  f"step {self._step:,}/{self._total:,}"]  # fmt: skip
        line = _fitting([piece for piece in pieces if piece], width, least=1)
        row, room = rich.table.Table.grid(), width - len(line) - 2
        row.add_row(rich.text.Text(line, overflow="fold"))
        if room >= NARROWEST_BAR:
            bar = rich.progress_bar.ProgressBar(
                self._total, self._step, width=min(room, WIDEST_BAR)
            )
            row = rich.table.Table.grid(padding=(0, 2, 0, 0))
            row.add_row(rich.text.Text(line, no_wrap=True), bar)
        return row


def _order(figures: Mapping[str, float]) -> list[str]:
    """The names as they are shown: by split, errors before losses, and without the norms."""

    def place(name: str) -> tuple[int, bool]:
        split, _, figure = name.partition(" ")
        return SPLITS.index(split) if split in SPLITS else len(SPLITS), figure not in ERRORS

    return sorted((name for name in figures if not name.endswith("norm")), key=place)


def _fitting(pieces: list[str], width: int, least: int) -> str:
    """The first pieces that fit into a line of `width`; at least `least` of them."""
    line = "  ".join(pieces[:least])
    for piece in pieces[least:]:
        if len(line) + 2 + len(piece) > width:
            break
        line += "  " + piece
    return line


def _percent(done: int, total: int) -> str:
    return f"{100 * done // max(total, 1)} %"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
