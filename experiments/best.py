"""The parameters that did best on the validation part, kept beside a run's checkpoints."""

import json
import os
import pathlib
from typing import Any

import jax
import numpy as np


class Best:
    """A file with the best parameters so far, the step they are of and their score.

    `run` tells runs apart: what another one left there does not count. A run that resumes earlier
    than that step meets the same evaluation again and writes the same file; until then what the
    file holds does not count.
    """

    def __init__(self, path: pathlib.Path, run: str):
        self._path, self._run = path, run

    def offer(self, step: int, score: float, params: Any) -> None:
        """Takes parameters over if none before this step scored as much or more."""
        found = self._note()
        if found and found["step"] < step and found["score"] >= score:
            return
        unfinished = self._path.with_name(self._path.name + ".unfinished")
        self._path.parent.mkdir(exist_ok=True)
        leaves = {str(n): np.asarray(leaf) for n, leaf in enumerate(jax.tree.leaves(params))}
        note = json.dumps({"run": self._run, "step": step, "score": score})
        with open(unfinished, "wb") as file:
            np.savez(file, note=note, **leaves)
        os.replace(unfinished, self._path)

    def load(self, like: Any) -> tuple[int, Any]:
        """The step, and the parameters in the structure of `like`."""
        with np.load(self._path) as file:
            leaves = [file[str(n)] for n in range(len(jax.tree.leaves(like)))]
            step = json.loads(str(file["note"]))["step"]
        return step, jax.tree.unflatten(jax.tree.structure(like), leaves)

    def _note(self) -> dict[str, Any] | None:
        if not self._path.exists():
            return None
        with np.load(self._path) as file:
            note = json.loads(str(file["note"]))
        return note if note["run"] == self._run else None
