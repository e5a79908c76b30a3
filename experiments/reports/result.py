"""What a finished run says of itself: result.json, and the table beside the paper's figures."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import rich.console
import rich.table

from experiments.runtime.options import Shared
from experiments.runtime.workdir import Workdir, write_json
from experiments.training.loop import parameter_count
from experiments.training.run import Trained


@dataclasses.dataclass(frozen=True)
class Figure:
    """A published figure; `kind` is paper if seen there, quoted if elsewhere, or unverified."""

    value: float
    source: str
    kind: str


def same_options(config: Shared, preset: Shared, names: Sequence[str]) -> bool:
    """Whether these options of a run are still the preset's, so that its published figures fit."""
    return all(getattr(config, name) == getattr(preset, name) for name in names)


def finish(
    experiment: str,
    config: Shared,
    trained: Trained,
    workdir: Workdir,
    metrics: Mapping[str, float],
    paper: Mapping[str, Figure],
    params: Any = None,
) -> dict[str, Any]:
    """Writes result.json and prints the run's table.

    Args:
      experiment: its name.
      config: the options.
      trained: the run; the last figures of `valid` and `test` are taken from it.
      workdir: where to write.
      metrics: further figures, by names that say split and unit.
      paper: published figures, by the same names.
      params: those to be counted, where more were trained than the figures' own net.
    """
    last = {
        f"{row['split']}_{name}": value
        for row in trained.metrics.rows
        if row["step"] == config.num_steps and row["split"] != "train"
        for name, value in row.items()
        if name not in ("step", "split")
    }
    result = {
        "experiment": experiment,
        "preset": config.preset,
        "metrics": last | dict(metrics),
        "paper": {name: dataclasses.asdict(figure) for name, figure in paper.items()},
        "parameters": parameter_count(params or trained.state.params),
        "steps": config.num_steps,
        "seconds": round(trained.seconds, 1),
        "examples_per_second": round(config.num_steps * config.batch_size / trained.seconds, 1),
        "seed": config.seed,
        "dtype": config.dtype,
    }
    write_json(workdir.result, result)
    print_table(result)
    return result


def headlines(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures whose name ends with the unit.

    Words after it name a condition, of which there may be many, and those are for the report:
    `test_accuracy_percent_rotation_30`.
    """
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and "_percent_" not in name
    }


def print_table(result: Mapping[str, Any]) -> None:
    """The run's figures with the paper's beside them, on standard output."""
    table = rich.table.Table(title=f"{result['experiment']} {result['preset']}")
    table.add_column("figure")
    for column in ("this run", "published"):
        table.add_column(column, justify="right")
    table.add_column("source")
    for name, value in headlines(result["metrics"]).items():
        published = result["paper"].get(name)
        cells = ("{value:g}", "{source} ({kind})") if published else ()
        table.add_row(name, f"{value:.4g}", *(cell.format(**published) for cell in cells))
    table.add_row("parameters", f"{result['parameters']:,}")
    table.add_row("seconds", f"{result['seconds']:,}")
    rich.console.Console().print(table)
