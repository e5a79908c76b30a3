"""Where a tagger's best parameters are kept, one file for each copy of each net."""

import json
import pathlib

from experiments.runtime import options
from experiments.tagging.data import sha
from experiments.training.best import Best


def kept_best(config, folder: pathlib.Path, nets, facts) -> dict[tuple[str, int], Best]:
    """Where the best parameters of each copy of each net are kept."""
    run_id = sha(json.dumps(options.identity(config) | facts, sort_keys=True).encode())
    return {
        (name, place): Best(folder / "best" / f"{name}-{config.fold + place}.npz", run_id)
        for name in nets
        for place in range(config.folds)
    }
