"""What is needed of a trained run: which experiment it is of, its options and its arrays."""

import dataclasses
import json
import pathlib
import re
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from data.errors import UserError
from experiments.checkpoints import Checkpoints

Tree = Any
C = TypeVar("C")


class Run(NamedTuple):
    """A run's newest sound checkpoint."""

    experiment: str
    folder: pathlib.Path
    step: int
    identity: dict[str, Any]  # the options, and the facts beside them
    arrays: dict[str, np.ndarray]  # of the train state, by the names of `checkpoints.layout`
    written: dict[str, Any]  # config.json: the options that decide no figure, too

    def config(self, kind: type[C], **others: Any) -> C:
        """The options of the run as a configuration of its experiment."""
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{n: v for n, v in self.identity.items() if n in names} | others)

    def tree(self, part: str, like: Tree) -> Tree:
        """`.params` or `.variables` of the state in the structure of `like`.

        Raises:
          UserError: the checkpoint holds other arrays.
        """

        def leaf(path, wanted):
            name = part + jax.tree_util.keystr(path)
            found = self.arrays.get(name)
            if found is None or found.shape != wanted.shape:
                raise UserError(
                    f"{self.folder} holds no {name} of shape {wanted.shape}: it is a checkpoint of "
                    "another version of the net; train it again."
                )
            return found

        return jax.tree.map_with_path(leaf, like)


def run_of(workdir: str, experiments: tuple[str, ...]) -> Run:
    """The run in a folder; raises UserError where there is none of these experiments."""
    folder = pathlib.Path(workdir)
    experiment = experiment_of(folder)
    if experiment not in experiments:
        kind = f"is a run of {experiment!r}" if experiment else "is no run's folder"
        raise UserError(
            f"--workdir={workdir} {kind}; name a run of one of {', '.join(experiments)}."
        )
    path = folder / "checkpoints"
    checkpoints = Checkpoints(path, read_only=True) if path.is_dir() else None
    identity = checkpoints and checkpoints.identity()
    found = checkpoints.leaves() if identity else None
    if found is None:
        raise UserError(f"--workdir={workdir} has no sound checkpoint: run the training again.")
    return Run(experiment, folder, found[0], identity, found[1], _read(folder / "config.json"))


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
