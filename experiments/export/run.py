"""What is needed of a trained run: which experiment it is of, its options and its arrays."""

import dataclasses
import json
import pathlib
import re
from typing import Any, NamedTuple, TypeVar

from data.errors import UserError
from experiments.training.checkpoints import Sound
from experiments.training.trained_net import newest

C = TypeVar("C")


class Run(NamedTuple):
    """A run and its newest sound checkpoint."""

    experiment: str
    folder: pathlib.Path
    checkpoint: Sound
    written: dict[str, Any]  # config.json: the options that decide no figure, too

    @property
    def step(self) -> int:
        """How long the net was trained."""
        return int(self.checkpoint.arrays[".step"])

    @property
    def identity(self) -> dict[str, Any]:
        """The options, and the facts beside them."""
        return self.checkpoint.note["identity"]

    def config(self, kind: type[C], **others: Any) -> C:
        """The options of the run as a configuration of its experiment."""
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{n: v for n, v in self.identity.items() if n in names} | others)


def run_of(workdir: str, experiments: tuple[str, ...]) -> Run:
    """The run in a folder; raises UserError where there is none of these experiments."""
    folder = pathlib.Path(workdir)
    experiment = experiment_of(folder)
    if experiment not in experiments:
        kind = f"is a run of {experiment!r}" if experiment else "is no run's folder"
        raise UserError(
            f"--workdir={workdir} {kind}; name a run of one of {', '.join(experiments)}."
        )
    return Run(experiment, folder, newest(workdir), _read(folder / "config.json"))


def experiment_of(folder: pathlib.Path) -> str:
    """Whose run lies there: result.json says so, or config.json's command; empty if none does."""
    result, config = (_read(folder / name) for name in ("result.json", "config.json"))
    command = re.search(r"\bexperiments\.(\w+)", str(config.get("command", "")))
    return str(result.get("experiment", command[1] if command else ""))


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
