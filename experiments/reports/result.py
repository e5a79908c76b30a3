"""The result of a finished run: result.json, and a table next to the published figures."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import rich.box
import rich.table

from experiments.runtime.numbers import readable
from experiments.runtime.options import Shared
from experiments.runtime.terminal import console
from experiments.runtime.workdir import Workdir, write_json
from experiments.training.kept import deciding_options
from experiments.training.loop import parameter_count
from experiments.training.run import Trained

MOST_NAMED = 6  # nets of a run whose steps are all told


@dataclasses.dataclass(frozen=True)
class Figure:
    """A published figure.

    `kind` is `paper` if it was read in the paper itself, `quoted` if it was read in another source,
    and `unverified` if it is quoted from memory.
    """

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
    """Writes result.json, prints its table and returns its content.

    Args:
      experiment: its name.
      config: the options.
      trained: the run, whose figures are of the net that it keeps.
      workdir: the run's folder.
      metrics: further figures; their names state split and unit.
      paper: published figures, by the same names.
      params: the parameters to count, if not all of those that were trained.
    """
    result = {
        "experiment": experiment,
        "preset": config.preset,
        "metrics": trained.figures | dict(metrics),
        "paper": {name: dataclasses.asdict(figure) for name, figure in paper.items()},
        "parameters": parameter_count(trained.net.params if params is None else params),
        "kept": "best on the validation part" if trained.best else "last step",
        "kept_step": kept_steps(trained),
        "deciding": deciding_options(config),
        "steps": trained.steps,
        "seconds": round(trained.seconds, 1),
        "speed": trained.speed and round(trained.speed, 1),
        "speed_unit": trained.speed_unit,
        "seed": config.seed,
        "dtype": config.dtype,
        "device": jax.devices()[0].device_kind,
    }
    write_json(workdir.result, result)
    print_table(result)
    return result


def kept_steps(trained: Trained) -> int | dict[str, int]:
    """The step of the net that a run keeps, or those of its copies by name where they differ."""
    steps = {name: net.step for name, net in trained.nets.items()}
    return steps if len({*steps.values()}) > 1 else next(iter(steps.values()))


def kept_net(result: Mapping[str, Any]) -> str:
    """Which net a result is of, such as `step 2,600 of 13,000, the best on the validation part`."""
    steps, whole = result["kept_step"], f"{result['steps']:,}"
    if isinstance(steps, dict) and len(steps) > MOST_NAMED:
        low, high = min(steps.values()), max(steps.values())
        return (f"steps {low:,} to {high:,} of {whole}, the {result['kept']} for each of "
                f"{len(steps)} nets")  # fmt: skip
    if isinstance(steps, dict):
        steps = ", ".join(f"{step:,} ({name})" for name, step in steps.items())
        return f"steps {steps} of {whole}, the {result['kept']} for each"
    return f"step {steps:,} of {whole}, the {result['kept']}"


def headlines(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures of a run's table.

    A figure measured under one of many conditions has the condition after its unit, such as
    `test_accuracy_percent_rotation_30`, and is shown by the report alone.
    """
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and "_percent_" not in name
    }


def print_table(result: Mapping[str, Any]) -> None:
    """Prints the run's figures next to the published ones, if there are any, and their sources."""
    table = rich.table.Table(
        title=f"{result['experiment']} {result['preset']}", box=rich.box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("figure", overflow="fold")
    for column in ("this run", "published") if result["paper"] else ("this run",):
        table.add_column(column, justify="right", no_wrap=True)
    for name, value in headlines(result["metrics"]).items():
        published = result["paper"].get(name)
        table.add_row(name, readable(value), readable(published["value"]) if published else "")
    table.add_row("parameters", readable(result["parameters"]))
    table.add_row("steps", readable(result["steps"]))
    table.add_row("seconds", readable(result["seconds"]))
    if result["speed"]:
        table.add_row(result["speed_unit"], readable(result["speed"]))
    console().print(table)
    for line in (*sources(result), f"The figures are of the net of {kept_net(result)}."):
        console().print(line)


def sources(result: Mapping[str, Any]) -> list[str]:
    """One line per source of published figures, with their names if there are several."""
    names = {}
    for name in headlines(result["metrics"]):
        if figure := result["paper"].get(name):
            names.setdefault(f"{figure['source']} ({figure['kind']})", []).append(name)
    if len(names) == 1:
        return [f"published: {source}" for source in names]
    return [f"published {', '.join(those)}: {source}" for source, those in names.items()]
