"""The net of a run that is done, or under way, for those who want to use it."""

import pathlib
import types
from collections.abc import Callable, Sequence
from typing import Any

import jax

from data.errors import UserError
from experiments.checkpoints import Checkpoints
from experiments.train import TrainState


def trained(
    workdir: str,
    experiment: str,
    facts: Sequence[str],
    make: Callable[[Any], tuple],
    first_state: Callable[..., TrainState],
) -> tuple:
    """The newest sound checkpoint of a run; nothing in the folder is touched.

    Args:
      workdir: the run's folder.
      experiment: whose run it must be.
      facts: the options and facts by which such a run is known.
      make: (options) -> a tuple of what else is needed, and the net as its last entry.
      first_state: (options, net) -> a state of the same sizes; it is not computed.

    Returns:
      (options, *what `make` gives, parameters).

    Raises:
      UserError: there is none, or it is of a version that had other options.
    """
    folder = pathlib.Path(workdir) / "checkpoints"
    checkpoints = Checkpoints(folder, read_only=True) if folder.is_dir() else None
    identity = checkpoints and checkpoints.identity()
    if not identity or not set(facts) <= set(identity):
        raise UserError(
            f"--workdir={workdir}: there is no checkpoint of a {experiment} run; train one there "
            "first, or name the folder of one."
        )
    config = types.SimpleNamespace(**identity)  # all that decided the run
    try:
        made = make(config)
        like = jax.eval_shape(lambda: first_state(config, made[-1]))
    except Exception as error:  # of many kinds: options are missing, or are not what they were
        reason = str(error).split("\n")[0][:80]
        raise UserError(
            f"{folder} holds checkpoints whose options do not make a net here ({reason}): train "
            "again in another --workdir."
        ) from None
    restored = checkpoints.restore(like, identity)
    if restored is None:
        raise UserError(f"{folder} holds no sound checkpoint: run the training again.")
    return config, *made, restored[0].params
