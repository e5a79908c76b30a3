"""The files of a tagger's best parameters, one for each copy of each net."""

import json
import pathlib

from experiments.runtime import options
from experiments.tagging.data import sha
from experiments.training.best import Best


def kept_best(config, folder: pathlib.Path, nets, facts) -> dict[tuple[str, int], Best]:
    """The best parameters so far, by net and copy."""
    run_id = sha(json.dumps(options.identity(config) | facts, sort_keys=True).encode())
    return {
        (name, copy): Best(folder / "best" / f"{name}-{config.fold + copy}.npz", run_id)
        for name in nets
        for copy in range(config.folds)
    }
