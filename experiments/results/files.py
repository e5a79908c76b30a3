"""The committed result files: one for each experiment and preset, with one run or several seeds.

`<experiment>-<preset>.json` is a run's result.json, or several by seed; a file of a run in bfloat16
ends in `-bfloat16`, and every option that differs from the preset's is part of the name
(`-num_steps=500.json`).
"""

import importlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import UserError
from experiments.runtime.options import identity
from experiments.runtime.workdir import write_json
from experiments.training.kept import deciding_options

FOLDER = pathlib.Path(__file__).parent


def add(workdirs: Sequence[str]) -> None:
    """Adds the result.json of each folder; runs that differ only in their seed share a file.

    Raises UserError, and adds none, if a folder is not that of a finished run.
    """
    for result in [finished_run(folder) for folder in workdirs]:
        path = FOLDER / f"{name_of(result)}.json"
        runs = by_seed(path) if path.exists() else {}
        runs[str(result["seed"])] = result
        FOLDER.mkdir(exist_ok=True)
        runs = dict(sorted(runs.items()))
        write_json(path, runs if len(runs) > 1 else result)


def finished_run(workdir: str) -> dict[str, Any]:
    """A run's result.json, and its `flags`: the other options that are not the preset's.

    Paths are left out: they mean nothing on another machine. Raises UserError if there is no
    finished run, or if its options are not those of this version.
    """
    try:
        result, config = (
            json.loads((pathlib.Path(workdir) / name).read_text(encoding="utf-8"))
            for name in ("result.json", "config.json")
        )
    except (OSError, ValueError):
        raise UserError(f"{workdir} is not the folder of a finished run.") from None
    presets = importlib.import_module(f"experiments.{result['experiment']}").PRESETS
    preset = identity(presets[result["preset"]]) if result["preset"] in presets else {}
    if not preset or not {*preset} <= {*config}:
        raise UserError(f"{workdir} was made by a version with other options; run it again.")
    changed = {n: config[n] for n, v in preset.items() if config[n] != v}
    deciding = deciding_options(presets[result["preset"]])
    changed |= {n: v for n, v in result.pop("deciding", {}).items() if deciding.get(n) != v}
    elsewhere = ("seed", "dtype")  # in the file, and in its name
    flags = {n: v for n, v in changed.items() if n not in elsewhere and "/" not in str(v)}
    return result | {"flags": flags}


def name_of(result: Mapping[str, Any]) -> str:
    """The name of a result's file, without its extension."""
    dtype = result.get("dtype", "float32")
    parts = [result["experiment"], result["preset"], *([dtype] if dtype != "float32" else [])]
    return "-".join([*parts, *(f"{n}={v}" for n, v in result.get("flags", {}).items())])


def by_seed(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """The runs of a result file, by seed."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {str(content["seed"]): content} if "experiment" in content else content


def headline(result: Mapping[str, Any]) -> str:
    """The figure that represents a run without a published one: its test error, or the like."""
    tested = [name for name in result["metrics"] if name.startswith("test_")]
    return next((n for n in tested if n in ("test_error_percent", "test_wrong_percent")), tested[0])
