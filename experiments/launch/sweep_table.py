"""The table at the end of a sweep: on the terminal, and as JSON."""

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
MORE_FIGURES = 4  # shown besides the one that the table is sorted by


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
        **{name: result.get(name) for name in ("parameters", "steps", "seconds")},
    }


def write(path: pathlib.Path, experiment: str, fixed: Sequence[str], table: Table) -> None:
    """Writes sweep.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"experiment": experiment, "fixed": list(fixed), "sorted_by": table.figure,
                      "runs": table.runs})  # fmt: skip


def show(experiment: str, table: Table) -> None:
    """Prints the table."""
    shown = rich.table.Table(title=f"{experiment}, sorted by {table.figure or 'nothing'}")
    for name in table.runs[0]["flags"]:
        shown.add_column(name, overflow="fold")  # two paths may differ in their last letters
    names = columns(table)
    for name in (*names, "seconds"):
        shown.add_column(name.replace("_", " "), justify="right")
    shown.add_column("outcome", overflow="fold")
    for run in table.runs:
        values = [*(run["metrics"].get(name) for name in names), run["seconds"]]
        figures = ("" if value is None else f"{value:.4g}" for value in values)
        reason = run["reason"].partition(";")[0]  # sweep.json has all of it
        outcome = f"{run['status']}: {reason}" if reason else run["status"]
        shown.add_row(*map(str, run["flags"].values()), *figures, outcome)
    console().print(shown)


def columns(table: Table) -> list[str]:
    """The figure that the table is sorted by, and a few headline figures of the test part."""
    metrics = next((run["metrics"] for run in table.runs if run["metrics"]), {})
    others = [name for name in headlines(metrics) if name.startswith("test_")]
    others = [name for name in others if name != table.figure][:MORE_FIGURES]
    return [table.figure, *others] if metrics else []
