"""Checkpoints that are whole or absent: Orbax writes them, a digest proves them.

A checkpoint holds the train state and a note of plain values: the identity of the run, the sums
of the figures since the last evaluation, the seconds spent. The note also carries a SHA-256 of
the state, so that a damaged checkpoint is known for one, whatever reads it without complaint.
"""

import hashlib
import logging
import pathlib
import sys
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from data.errors import UserError
from experiments.failures import Diverged
from experiments.train import TrainState

KEPT = 3


def digest(state: TrainState) -> str:
    """SHA-256 of the leaves of a state, with their names, types and shapes."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree.leaves_with_path(state):
        array = np.asarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


class Checkpoints:
    """The checkpoints of one run; the newest three are kept."""

    def __init__(self, folder: pathlib.Path):
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells its every step
        self.folder = folder
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=KEPT, enable_async_checkpointing=False, create=True
            ),
            item_names=("state", "note"),
        )

    def save(self, state: TrainState, note: dict[str, Any]) -> None:
        """Writes the state under its step's number; nothing is left of an unfinished attempt.

        Raises:
          Diverged: a parameter is not finite; the checkpoints before this one stay.
        """
        state, step = jax.device_get(state), int(state.step)
        if step in self._manager.all_steps():
            return
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params)):
            raise Diverged(f"the run diverged at step {step}: a parameter is not finite")
        note = note | {"sha256": digest(state)}
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), note=ocp.args.JsonSave(note)
        )
        self._manager.save(step, args=items)

    def newest(self) -> int | None:
        """The number of the newest checkpoint's step."""
        return self._manager.latest_step()

    def restore(self, like: TrainState, identity: dict[str, Any]):
        """The newest sound checkpoint's (state, note), or None where there is none.

        A damaged one is named on standard error, deleted, and the one before it taken.

        Args:
          like: a state with the right shapes; its values do not matter.
          identity: of the run that wants to resume.

        Raises:
          UserError: the checkpoint belongs to a run of other options.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                note = self._manager.restore(
                    step, args=ocp.args.Composite(note=ocp.args.JsonRestore())
                )["note"]
                check_identity(self.folder, note["identity"], identity)
                state = self._manager.restore(
                    step, args=ocp.args.Composite(state=ocp.args.StandardRestore(like))
                )["state"]
                if digest(state) != note["sha256"]:
                    raise ValueError("its digest differs")
                return state, note
            except UserError:
                raise
            except Exception as error:  # Orbax, TensorStore and JSON each fail in their own ways
                reason = str(error).split("\n")[0][:80]
                print(
                    f"The checkpoint of step {step} in {self.folder} is damaged ({reason}); "
                    "it is deleted and the one before it taken.",
                    file=sys.stderr,
                )
                self._manager.delete(step)
        return None


def check_identity(folder: pathlib.Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raises UserError, naming the options, if a checkpoint is of another run than ours."""
    names = [n for n in (theirs | ours) if theirs.get(n) != ours.get(n)]
    if names:
        differences = ", ".join(f"{n} {theirs.get(n)} there and {ours.get(n)} here" for n in names)
        raise UserError(
            f"{folder} holds checkpoints of another configuration ({differences}): "
            "give the same flags as then, or another --workdir."
        )
