"""Checkpoints that are whole or absent: Orbax writes them, a digest proves them.

A checkpoint holds the train state and a note of plain values: the identity of the run, the sums
of the figures since the last evaluation, the seconds spent. The note also carries a SHA-256 of
the state and one of itself, so that a damaged checkpoint is known for one, whatever reads it
without complaint. Nothing in a checkpoint is code, and what it claims to hold is compared with
what is wanted, and with its files, before memory is taken for it.
"""

import ast
import hashlib
import json
import logging
import math
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from data.errors import UserError
from data.files import expansion_limit
from experiments.runtime.failures import UNWRITABLE, Diverged
from experiments.runtime.mesh import on_host, placed_like
from experiments.runtime.processes import from_first, is_first, is_single_process
from experiments.training.loop import TrainState, Tree

KEPT = 3
NAMED = 3  # options that a refusal names, at most
NOTED = {"identity", "totals", "seconds", "sha256", "layout"}  # what every note holds
# What it also holds, but for those of earlier versions: the latest evaluation's figures as ROWS.
KEPT_NETS, SPEED, ROWS = "kept", "speed", "rows"
# The steps in a name that JAX gives to a leaf: an attribute, or a number or quoted key in brackets.
_PLACES = re.compile(r"""\.(\w+)|\[(\d+|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\]""")


def _make(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{folder} is a file and should be a folder: move it away.") from None


def digest(state: TrainState) -> str:
    """SHA-256 of the leaves of a state, with their names, types and shapes."""
    return digest_of(arrays_by_name(state))


def arrays_by_name(tree: Tree) -> dict[str, np.ndarray]:
    """The leaves of a tree by JAX's names, such as `.params['output']['bias']`."""
    named = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in named}


def digest_of(arrays: dict[str, np.ndarray]) -> str:
    """The same of arrays by name, in the order of a state's leaves."""
    sha = hashlib.sha256()
    for name, array in arrays.items():
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def seal(note: dict[str, Any]) -> str:
    """SHA-256 of a note of plain values, the same before it is written as after."""
    plain = json.loads(json.dumps(note))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def layout(state: TrainState) -> dict[str, str]:
    """The types and shapes of the leaves of a state, by name."""
    return {
        jax.tree_util.keystr(path): _array(leaf)
        for path, leaf in jax.tree.leaves_with_path(state)
    }


class Sound(NamedTuple):
    """A checkpoint that has been read and found whole."""

    folder: pathlib.Path
    note: dict[str, Any]
    arrays: dict[str, np.ndarray]  # of the train state, by the names of `layout`

    def tree(self, like: Tree, part: str = "") -> Tree:
        """The state, or a part of it such as `.params`, in the structure of `like`.

        Raises:
          UserError: it has other arrays there.
        """

        def leaf(path, wanted):
            name = part + jax.tree_util.keystr(path)
            found = self.arrays.get(name)
            if found is None or _array(found) != _array(wanted):
                raise UserError(
                    f"{self.folder} holds no {name} that is {_array(wanted)}: it is of another "
                    "version of the net; train it again in another --workdir."
                )
            return found

        return jax.tree.map_with_path(leaf, like)


class Checkpoints:
    """The checkpoints of one run; the newest three are kept.

    With `read_only` nothing in the folder is touched: a run may be at work there.
    """

    def __init__(self, folder: pathlib.Path, read_only: bool = False):
        # Orbax logs its every step, and what it raises a second time, as a traceback; asyncio every
        # further array that could not be written, of which the first raises.
        for library in ("absl", "asyncio"):
            logging.getLogger(library).setLevel(logging.CRITICAL)
        if sys.unraisablehook is sys.__unraisablehook__:  # and not a debugger's, say
            sys.unraisablehook = _tell_unless_late
        self.folder, self._read_only = folder, read_only
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT,
            enable_async_checkpointing=False,
            create=False,
            read_only=read_only,
        )
        if not is_single_process():  # process 0 has all that is written: Orbax need not wait
            options.multiprocessing_options = ocp.options.MultiprocessingOptions(
                primary_host=0, active_processes={0}, barrier_sync_key_prefix="first"
            )
        if is_first() and not read_only:
            _make(folder)
        self._manager = is_first() and ocp.CheckpointManager(
            folder.absolute(), options=options, item_names=("state", "note")
        )

    def save(self, state: TrainState, note: dict[str, Any]) -> None:
        """Writes the state under its step's number; nothing is left of an unfinished attempt.

        Raises:
          Diverged: a parameter is not finite; the checkpoints before this one stay.
          OSError: the disk is full or read-only; the checkpoints before this one stay.
        """
        state, step = on_host(state), int(state.step)
        if not is_first() or step in self._manager.all_steps():
            return
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params)):
            raise Diverged(f"the run diverged at step {step}: a parameter is not finite")
        note = note | {"sha256": digest(state), "layout": layout(state)}
        note = note | {"seal": seal(note)}
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), note=ocp.args.JsonSave(note)
        )
        try:
            self._manager.save(step, args=items)
        except ValueError as error:  # whatever the system says, TensorStore raises ValueError
            for number in UNWRITABLE:
                if os.strerror(number) in str(error):
                    raise OSError(number, os.strerror(number), str(self.folder)) from None
            raise

    def steps(self) -> list[int]:
        """The steps whose checkpoints are kept."""
        return sorted(self._manager.all_steps()) if is_first() else []

    def newest(self) -> int | None:
        """The number of the newest checkpoint's step."""
        return self._manager.latest_step() if is_first() else None

    def restore(self, like: TrainState, identity: dict[str, Any]):
        """The newest sound checkpoint's (state, note), or None where there is none.

        Of several processes the first reads, and sends the others what it found.

        Args:
          like: a state with the right shapes, that lies where the checkpoint's is to lie.
          identity: of the run that wants to resume.

        Raises:
          UserError: the checkpoint belongs to a run of other options, or of other sizes.
        """
        answer = {"found": False, "refusal": "", "note": {}}
        state = None

        def check(note: dict[str, Any]) -> None:
            check_identity(self.folder, note["identity"], identity)
            check_layout(self.folder, note["layout"], layout(like))

        if is_first():
            try:
                found = self.read(check)
                if found is not None:
                    state = found.tree(like)
                    answer |= {"found": True, "note": found.note}
            except UserError as error:
                answer["refusal"] = str(error)
        answer = json.loads(from_first(json.dumps(answer).encode()))
        if answer["refusal"]:
            raise UserError(answer["refusal"])
        if not answer["found"]:
            return None
        if state is None:  # another process has read it
            state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
        return placed_like(like, _leaves_of_first(state)), answer["note"]

    def read(self, check: Callable[[dict[str, Any]], None] = lambda note: None) -> Sound | None:
        """The newest sound checkpoint, or None where there is none.

        A damaged one is named on standard error, set aside, and the one before it taken. `check`
        is given each note before the arrays are read; what UserError it raises ends the search.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                note = self._note(step)
                check(note)
                return Sound(self.folder, note, self._arrays(step, note))
            except UserError:
                raise
            except Exception as error:  # Orbax, TensorStore and JSON each fail in their own ways
                self._tell_damaged(step, error)
                if not self._read_only:
                    self._set_aside(step)
        return None

    def _note(self, step: int) -> dict[str, Any]:
        args = ocp.args.Composite(note=ocp.args.JsonRestore())
        note = dict(self._manager.restore(step, args=args)["note"])
        sealed = note.pop("seal", None)  # which earlier versions did not write
        if sealed not in (None, seal(note)):
            raise ValueError("its note's digest differs")
        if set(note) - {KEPT_NETS, SPEED, ROWS} != NOTED or not isinstance(note["identity"], dict):
            raise ValueError("its note is not one")
        return note

    def _arrays(self, step: int, note: dict[str, Any]) -> dict[str, np.ndarray]:
        self._check_claims(step, note["layout"])
        args = ocp.args.Composite(state=ocp.args.StandardRestore())
        state = self._manager.restore(step, args=args)["state"]
        arrays = {name: np.asarray(_at(state, name)) for name in note["layout"]}
        if digest_of(arrays) != note["sha256"]:
            raise ValueError("its digest differs")
        return arrays

    def _check_claims(self, step: int, wanted: dict[str, str]) -> None:
        """Raises ValueError if the headers of the arrays are not as `wanted`, or beyond belief."""
        folder = (self.folder / str(step) / "state").absolute()
        with ocp.StandardCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(folder).item_metadata
        if metadata is None:
            raise ValueError("what arrays it has cannot be read")
        claimed = jax.tree.leaves(metadata.tree)
        if sorted(map(_array, claimed)) != sorted(wanted.values()):
            raise ValueError("its arrays are not as large as its note says")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if sum(math.prod(a.shape) * a.dtype.itemsize for a in claimed) > expansion_limit(size):
            raise ValueError("it claims more than its files can hold")

    def _tell_damaged(self, step: int, error: Exception) -> None:
        reason = str(error).split("\n")[0][:80]
        aside = "" if self._read_only else f" it is set aside as damaged.{step} and"
        print(
            f"The checkpoint of step {step} in {self.folder} is damaged ({reason});"
            f"{aside} the one before it is taken.",
            file=sys.stderr,
        )

    def _set_aside(self, step: int) -> None:
        aside = self.folder / f"damaged.{step}"
        shutil.rmtree(aside, ignore_errors=True)
        (self.folder / str(step)).rename(aside)
        self._manager.reload()


def _tell_unless_late(unraisable) -> None:
    """Python's own hook, but for TensorStore's word to a loop that Orbax has closed on an error.

    The error itself is raised; of the callback there is nothing to say but a traceback.
    """
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


def _at(tree: Any, name: str) -> Any:
    """What lies in a tree of dictionaries and lists at a place such as `.params['output'][0].h`."""
    for attribute, key in _PLACES.findall(name):
        place = attribute or ast.literal_eval(key)
        tree = tree[place] if isinstance(tree, list | tuple) else tree[str(place)]
    return tree


def _array(leaf: Any) -> str:
    return f"{leaf.dtype} {list(leaf.shape)}"


def _leaves_of_first(state: TrainState) -> TrainState:
    """Process 0's host arrays, bit by bit."""
    if is_single_process():
        return state
    leaves, tree = jax.tree.flatten(state)
    received = from_first(b"".join(np.asarray(leaf).tobytes() for leaf in leaves))
    places = np.cumsum([0] + [leaf.nbytes for leaf in leaves])
    return jax.tree.unflatten(tree, [
        np.frombuffer(received[start:end], leaf.dtype).reshape(leaf.shape)
        for leaf, start, end in zip(leaves, places, places[1:], strict=False)
    ])  # fmt: skip


def check_identity(folder: pathlib.Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raises UserError, naming the first options that differ, if a checkpoint is not of our run."""
    if len({*theirs} ^ {*ours}) > NAMED:
        raise UserError(
            f"{folder} holds checkpoints of another experiment: give another --workdir."
        )
    names = [n for n in (theirs | ours) if theirs.get(n) != ours.get(n)]
    if names:
        differences = ", ".join(
            f"{n} {_short(theirs.get(n))} there and {_short(ours.get(n))} here"
            for n in names[:NAMED]
        )
        more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise UserError(
            f"{folder} holds checkpoints of another configuration ({differences}{more}): "
            "give the same flags as then, or another --workdir."
        )


def _short(value: Any) -> str:
    text = str(value)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 40 else f"{text[:37]}... ({len(text)} characters)"


def check_layout(folder: pathlib.Path, theirs: dict[str, str], ours: dict[str, str]) -> None:
    """Raises UserError, naming the first difference, if a checkpoint's arrays are not as ours."""
    for name in theirs | ours:
        if theirs.get(name) != ours.get(name):
            raise UserError(
                f"{folder} holds checkpoints of a net of other sizes ({name} {theirs.get(name)} "
                f"there and {ours.get(name)} here): give the same data set as then, or another "
                "--workdir."
            )
