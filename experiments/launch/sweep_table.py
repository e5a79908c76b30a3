"""The table at the end of a sweep: on the terminal, and as JSON."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import rich.table

from experiments.launch.trials import Outcome, Trial
from experiments.reports.result import headlines
from experiments.results.files import headline
from experiments.runtime.terminal import console
from experiments.runtime.workdir import write_json

LARGER_IS_BETTER = ("accuracy", "f1", "bleu", "precision", "recall", "exact_match", "per_second")
MORE_FIGURES = 4  # at most, besides the one that the table is sorted by
COUNTS = ("parameters", "steps", "kept", "kept_step", "seconds")  # of a run, in sweep.json
COLUMN_WIDTH = 12  # what a column takes, with its border


class Table(NamedTuple):
    """The runs in order, the best first and those without figures last."""

    figure: str  # the one that the runs are sorted by; empty if there is none
    runs: list[dict[str, Any]]


def ranked(planned: Sequence[Trial], outcomes: Sequence[Outcome], wanted: str) -> Table:
    """The runs sorted by the figure `wanted`, or by the usual one if none of them has it."""
    runs = [row(trial, outcome) for trial, outcome in zip(planned, outcomes, strict=True)]
    named = [run["metrics"] for run in runs if run["metrics"]]
    if not named:
        return Table("", runs)
    figure = wanted if any(wanted in metrics for metrics in named) else usual(named[0])
    sign = -1 if any(word in figure for word in LARGER_IS_BETTER) else 1

    def rank(run):
        value = run["metrics"].get(figure)
        return (value is None, 0 if value is None else sign * value)

    return Table(figure, sorted(runs, key=rank))


def usual(metrics: dict[str, float]) -> str:
    """The headline figure on the validation part, to select by, or else on the test part."""
    name = headline({"metrics": metrics})
    valid = name.replace("test_", "valid_", 1)
    return valid if valid in metrics else name


def row(trial: Trial, outcome: Outcome) -> dict[str, Any]:
    """A run's entry in sweep.json."""
    result = outcome.result or {}
    return {
        "flags": trial.flags,
        "status": outcome.status,
        "reason": outcome.reason,
        "workdir": str(trial.folder),
        "metrics": result.get("metrics", {}),
        **{name: result.get(name) for name in COUNTS},
    }


def write(path: pathlib.Path, experiment: str, fixed: Sequence[str], table: Table) -> None:
    """Writes sweep.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"experiment": experiment, "fixed": list(fixed), "sorted_by": table.figure,
                      "runs": table.runs})  # fmt: skip


def show(experiment: str, table: Table) -> None:
    """Prints the table; nothing that distinguishes two runs is cut off, however narrow it is."""
    terminal = console()
    names = list(table.runs[0]["flags"])
    flags = [without_folder([str(run["flags"][name]) for run in table.runs]) for name in names]
    shown = rich.table.Table(title=f"{experiment}, sorted by {table.figure or 'nothing'}")
    for name, cells in zip(names, flags, strict=True):
        shown.add_column(name, overflow="fold", min_width=min(5, max(map(len, cells))))
    figures = {name: [run["metrics"].get(name) for run in table.runs]
               for name in columns(table, terminal.width)}  # fmt: skip
    texts = {name: [_text(x, ".4g") for x in values] for name, values in figures.items()}
    texts["seconds"] = [_text(run["seconds"], ",.0f") for run in table.runs]
    for name, cells in texts.items():
        widest = max(map(len, cells))
        shown.add_column(name.replace("_", " "), justify="right", overflow="fold", min_width=widest)
    shown.add_column("outcome", overflow="fold", min_width=5)
    for row in zip(*flags, *texts.values(), map(_outcome, table.runs), strict=True):
        shown.add_row(*row)
    terminal.print(shown)


def _text(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _outcome(run: dict[str, Any]) -> str:
    reason = run["reason"].partition(";")[0]  # sweep.json has all of it
    return f"{run['status']}: {reason}" if reason else run["status"]


def without_folder(values: Sequence[str]) -> list[str]:
    """The values, with `.../` in place of the folders that all of them begin with."""
    common = os.path.commonprefix(values)
    cut = common.rfind("/") + 1
    return [f".../{value[cut:]}" for value in values] if cut > len(".../") else list(values)


def columns(table: Table, width: int) -> list[str]:
    """The figure that the table is sorted by, and as many of the test part as `width` allows."""
    metrics = next((run["metrics"] for run in table.runs if run["metrics"]), {})
    others = [name for name in headlines(metrics) if name.startswith("test_")]
    others = [name for name in others if name != table.figure]
    taken = len(table.runs[0]["flags"]) + len(("figure", "seconds", "outcome"))
    more = max(0, width // COLUMN_WIDTH - taken)
    return [table.figure, *others[: min(more, MORE_FIGURES)]] if metrics else []
