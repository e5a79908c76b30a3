"""The parameters that did best on the validation part, kept beside a run's checkpoints."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from data.errors import UserError
from data.files import open_plain


class Best:
    """A file with the best parameters so far, the step they are of and their score.

    `run` tells runs apart: what another one left there does not count. A run that resumes earlier
    than that step meets the same evaluation again and writes the same file; until then what the
    file holds does not count. A damaged file raises UserError.
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
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self._path)

    def __bool__(self) -> bool:
        """Whether this run has offered any."""
        return self._note() is not None

    def load(self, like: Any) -> tuple[int, Any]:
        """The step, and the parameters in the structure of `like`."""
        wanted, tree = jax.tree.flatten(like)
        with self._read() as file:
            leaves = [file[str(n)] for n in range(len(wanted))]
            for leaf, other in zip(leaves, wanted, strict=True):
                if (leaf.shape, leaf.dtype) != (other.shape, other.dtype):
                    raise ValueError(f"{leaf.dtype} {leaf.shape} is of another net")
            step = int(json.loads(str(file["note"]))["step"])
        return step, jax.tree.unflatten(tree, leaves)

    def _note(self) -> dict[str, Any] | None:
        if not self._path.exists():
            return None
        with self._read() as file:
            note = json.loads(str(file["note"]))
            found = {"step": int(note["step"]), "score": float(note["score"])}
            return found if note["run"] == self._run else None

    @contextlib.contextmanager
    def _read(self) -> Iterator[Mapping[str, np.ndarray]]:
        try:
            with open_plain(self._path) as file, np.load(file, allow_pickle=False) as content:
                yield content
        except Exception as error:  # of many kinds, by zipfile, NumPy and JSON
            reason = getattr(error, "strerror", None) or str(error).split("\n")[0][:80]
            raise UserError(
                f"{self._path} is damaged ({reason}), and with it the best parameters are lost: "
                "train again in another --workdir."
            ) from None
