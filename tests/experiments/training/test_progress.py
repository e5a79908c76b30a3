"""What a run shows as it goes: the headline whatever the width, and lines that stay."""

import io
import itertools
import re
import threading
import time

import jax
import pytest
import rich.console

from experiments.training import progress as module
from experiments.training.progress import Progress

FIGURES = {
    "train bits_per_character": 1.2345678, "train gradient_norm": 0.35224, "train loss": 0.8,
    "test bits_per_character": 2.34567, "test nats_per_character": 1.6, "valid loss": 12345.6,
}  # fmt: skip
HEADLINE = "test bits per character 2.346"
WIDTHS = pytest.mark.parametrize("width", [60, 80, 120])


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def steps(self, progress, steps, seconds):
        """Calls to the device, each of which takes `seconds`."""
        for step in steps:
            self.now += seconds
            progress.to(step)


def terminal(width):
    return rich.console.Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False
    )


def lines_of(console):
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def last_bar(progress, console):
    progress._live.refresh()
    return lines_of(console)[-1]


@WIDTHS
def test_the_line_begins_with_the_headline_percent_done_and_time_left(monkeypatch, width):
    clock, console = Clock(monkeypatch), terminal(width)
    progress = Progress(0, 12_000, unit="characters", per_step=500, console=console)
    clock.steps(progress, range(40, 4001, 40), 2.0)
    progress.show(4000, FIGURES)
    line = last_bar(progress, console)
    progress.close()
    assert line.startswith(f"{HEADLINE}  33 %  6:40 left")
    assert ("10,000 characters/s" in line) == (width > 60)
    assert ("━" * 10 in line) == (width == 120)
    assert max(map(len, lines_of(console))) <= width


@WIDTHS
def test_evaluations_stay_above_the_line_each_of_whole_figures(monkeypatch, width):
    console = terminal(width)
    progress = Progress(0, 12_000, console=console)
    for step in (400, 800, 1200):
        progress.to(step)
        progress.show(step, FIGURES)
    progress.close()
    lines = [line for line in lines_of(console) if line.startswith("step ")]
    assert [line.partition("  ")[0] for line in lines] == [
        "step 400/12,000", "step 800/12,000", "step 1,200/12,000"
    ]  # fmt: skip
    others = ["test nats per character 1.6", "valid loss 12,346", "train bits per character 1.235",
              "train loss 0.8"]  # fmt: skip
    for line in lines:
        _, headline, *rest = line.split("  ")
        assert headline == HEADLINE and rest == others[: len(rest)] and len(line) <= width


def test_an_error_comes_before_its_loss(capsys):
    progress = Progress(0, 10)
    progress.show(5, {"valid loss": 0.5, "test loss": 0.25, "test error_percent": 1.5})
    progress.close()
    assert capsys.readouterr().out == (
        "step 5/10  test error percent 1.5  test loss 0.25  valid loss 0.5\n"
    )


def test_a_headline_wider_than_the_terminal_is_not_cut(monkeypatch):
    console = terminal(20)
    progress = Progress(0, 10, console=console)
    progress.show(5, FIGURES)
    progress._live.refresh()
    progress.close()
    assert lines_of(console)[-2:] == ["test bits per", "character 2.346"]


def test_where_there_is_no_terminal_an_evaluation_is_one_plain_line(capsys, monkeypatch):
    clock = Clock(monkeypatch)
    progress = Progress(0, 12_000, unit="words", per_step=70)
    clock.steps(progress, range(10, 101, 10), 0.5)
    progress.show(100, FIGURES)
    progress.close()
    out, err = capsys.readouterr()
    assert out == (
        "step 100/12,000  test bits per character 2.346  test nats per character 1.6  "
        "valid loss 12,346  train bits per character 1.235  train loss 0.8  1,400 words/s\n"
    )
    assert err == ""


def test_the_speed_is_that_of_recent_steps_without_compilation_and_pauses(monkeypatch):
    clock = Clock(monkeypatch)
    progress = Progress(0, 1000, per_step=10)
    assert progress.speed() is None
    clock.steps(progress, [4], 60.0)  # the first call compiles
    assert progress.speed() is None
    clock.steps(progress, range(8, 400, 4), 2.0)
    assert progress.speed() == pytest.approx(20)
    clock.steps(progress, range(400, 600, 4), 1.0)
    assert progress.speed() == pytest.approx(40)  # the slower steps are long ago
    jax.jit(lambda x: x + 1)(0.0)  # a new length of batch, say
    clock.steps(progress, [604], 3.0)
    with progress.paused():
        jax.jit(lambda x: x + 2)(0.0)
        clock.now += 300
    clock.steps(progress, [608], 1.0)
    assert progress.speed() == pytest.approx(40)
    clock.steps(progress, [612], 21.0)  # long sentences count, with the four calls before
    assert progress.speed() == pytest.approx(10 * 20 / 25)
    progress.close()


def test_the_time_left_has_the_evaluations_in_it(monkeypatch):
    clock, console = Clock(monkeypatch), terminal(80)
    progress = Progress(0, 200, console=console)
    clock.steps(progress, range(1, 101), 1.0)
    with progress.paused():
        clock.now += 50
    line = last_bar(progress, console)
    progress.close()
    assert "50 %  2:30 left" in line


def test_a_long_evaluation_shows_how_far_it_is(monkeypatch):
    clock, console = Clock(monkeypatch), terminal(60)
    progress = Progress(0, 200, console=console)
    clock.steps(progress, range(1, 101), 1.0)
    with progress.paused():
        progress.evaluating("valid", 3, 8)
        assert "training  50 %  evaluating valid 37 %" in last_bar(progress, console)
    assert "evaluating" not in last_bar(progress, console)
    progress.close()


def test_without_a_terminal_there_is_a_sign_of_life_before_the_first_evaluation(
    capsys, monkeypatch
):
    monkeypatch.setattr(module, "SILENCE", 0.05)
    progress, begin, out = Progress(0, 1000, unit="words", per_step=2), time.monotonic(), ""
    for step in itertools.count():
        if "words/s" in out or time.monotonic() - begin > 30:
            break
        if "compilation" in out:
            progress.to(step)
        time.sleep(0.01)
        out += capsys.readouterr().out
    with progress.paused():
        progress.evaluating("test", 1, 4)
        while "evaluating" not in out and time.monotonic() - begin < 30:
            time.sleep(0.01)
            out += capsys.readouterr().out
    progress.close()
    assert re.search(r"^step 0/1,000  0:00 since the start; the first steps wait for comp", out)
    assert re.search(r"\nstep \d+/1,000  \d+ %  [\d:]+ left  [\d.]+ words/s\n", out)
    assert re.search(r"\nstep \d+/1,000  evaluating test 25 %\n", out)


def test_nothing_is_left_running_when_a_run_is_over():
    before = set(threading.enumerate())
    progress = Progress(0, 10)
    assert len(set(threading.enumerate()) - before) == 1
    progress.close()
    assert set(threading.enumerate()) <= before


def test_of_several_processes_the_first_alone_prints(capsys, monkeypatch):
    monkeypatch.setattr(module, "is_first", lambda: False)
    progress = Progress(0, 10)
    progress.show(5, FIGURES)
    progress.close()
    assert capsys.readouterr() == ("", "")
