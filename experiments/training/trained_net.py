"""The net of a run that is done, or under way, for those who want to use it."""

import dataclasses
import json
import pathlib
import re
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax

from data.errors import UserError
from experiments.training.checkpoints import KEPT_NETS, Checkpoints, Sound
from experiments.training.kept import damaged, read_kept
from experiments.training.loop import Tree

C = TypeVar("C")


def newest_checkpoint(workdir: str) -> Sound:
    """A run's newest sound checkpoint; nothing in the folder is touched.

    Raises:
      UserError: there is none.
    """
    folder = pathlib.Path(workdir) / "checkpoints"
    found = Checkpoints(folder, read_only=True).read() if folder.is_dir() else None
    if found is None:
        raise UserError(
            f"--workdir={workdir} has no sound checkpoint: train there first, or name the folder "
            "of a run."
        )
    return found


def kept_net(workdir: str) -> Sound:
    """A run's newest sound checkpoint, but with the arrays of the net that the run keeps.

    That is the best on the validation part (its first copy), unless the run has `--keep=last`, no
    validation part, or not been evaluated yet. Nothing in the folder is touched.

    Raises:
      UserError: there is no checkpoint, or the best net is damaged.
    """
    return _with_kept_arrays(newest_checkpoint(workdir), workdir)


def _with_kept_arrays(found: Sound, workdir: str) -> Sound:
    if _read(pathlib.Path(workdir) / "config.json").get("keep", "best") != "best":
        return found
    folder = pathlib.Path(workdir) / "best"
    arrays, kept = read_kept(folder), found.note.get(KEPT_NETS)
    if arrays is not None:
        return found._replace(arrays=arrays)
    if kept is None and folder.exists():
        raise UserError(f"{folder} is of an earlier version: train again in another --workdir.")
    if any(entry["sha256"] for entry in (kept or {}).values()):
        raise damaged(folder, "kept.json is missing")
    return found


def restore(
    workdir: str,
    experiment: str,
    facts: Sequence[str],
    make: Callable[[Any], tuple],
    first_parameters: Callable[..., Tree],
) -> tuple:
    """The options, net and parameters of the net that a run keeps.

    Args:
      workdir: the run's folder.
      experiment: whose run it must be.
      facts: the options and facts by which such a run is known.
      make: (options) -> a tuple of what else is needed, and the net as its last entry.
      first_parameters: (options, net) -> parameters of the same sizes; they are not computed.

    Returns:
      (options, *what `make` gives, parameters).

    Raises:
      UserError: there is none, or it is of a version that had other options.
    """
    found = newest_checkpoint(workdir)
    identity = found.note["identity"]
    if not set(facts) <= set(identity):
        raise UserError(f"--workdir={workdir} is no {experiment} run; name the folder of one.")
    found = _with_kept_arrays(found, workdir)
    step = int(found.arrays[".step"])
    config = types.SimpleNamespace(**identity, kept_step=step)  # all that decided the run
    try:
        made = make(config)
        like = jax.eval_shape(lambda: first_parameters(config, made[-1]))
    except Exception as error:  # of many kinds: options are missing, or are not what they were
        reason = str(error).split("\n")[0][:80]
        raise UserError(
            f"{found.folder} holds checkpoints whose options do not make a net here ({reason}): "
            "train again in another --workdir."
        ) from None
    return config, *made, found.tree(like, ".params")


def tell_step(config) -> None:
    """Says on standard error which net a command has used, by the options that `restore` gave."""
    print(f"the net of step {config.kept_step:,}", file=sys.stderr)


class SavedRun(NamedTuple):
    """A run and its newest sound checkpoint, with the arrays of the net that the run keeps."""

    experiment: str
    folder: pathlib.Path
    checkpoint: Sound
    written: dict[str, Any]  # config.json: the options that decide no figure, too

    @property
    def step(self) -> int:
        """How long the net was trained, in steps."""
        return int(self.checkpoint.arrays[".step"])

    @property
    def identity(self) -> dict[str, Any]:
        """The options, and the facts beside them."""
        return self.checkpoint.note["identity"]

    def parameters(self, like: Tree) -> Tree:
        """The trained parameters, in the structure and sizes of `like`."""
        return self.checkpoint.tree(like, ".params")

    def config(self, kind: type[C], **others: Any) -> C:
        """The options of the run as a configuration of its experiment."""
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{n: v for n, v in self.identity.items() if n in names} | others)


def saved_run(workdir: str, experiments: tuple[str, ...]) -> SavedRun:
    """The run in a folder; raises UserError where there is none of these experiments."""
    folder = pathlib.Path(workdir)
    experiment = experiment_of(folder)
    if experiment not in experiments:
        kind = f"is a run of {experiment!r}" if experiment else "is no run's folder"
        raise UserError(
            f"--workdir={workdir} {kind}; name a run of one of {', '.join(experiments)}."
        )
    return SavedRun(experiment, folder, kept_net(workdir), _read(folder / "config.json"))


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
