"""The net of a run that is done, or under way, for those who want to use it."""

import pathlib
import types
from collections.abc import Callable, Sequence
from typing import Any

import jax

from data.errors import UserError
from experiments.training.checkpoints import Checkpoints, Sound
from experiments.training.loop import Tree


def newest(workdir: str) -> Sound:
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


def trained(
    workdir: str,
    experiment: str,
    facts: Sequence[str],
    make: Callable[[Any], tuple],
    first_parameters: Callable[..., Tree],
) -> tuple:
    """The options, net and parameters of a run's newest sound checkpoint.

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
    found = newest(workdir)
    identity = found.note["identity"]
    if not set(facts) <= set(identity):
        raise UserError(f"--workdir={workdir} is no {experiment} run; name the folder of one.")
    config = types.SimpleNamespace(**identity)  # all that decided the run
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
