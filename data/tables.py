"""Tables: labelled rows of numbers, and their parts for training, validation and testing."""

import hashlib
from typing import NamedTuple

import numpy as np

TRAIN, VALID, TEST = range(3)  # what an entry of `parts` says


class Table(NamedTuple):
    """Labelled rows of numbers."""

    inputs: np.ndarray  # float32 [N, D]
    labels: np.ndarray  # int32 [N]
    columns: tuple[str, ...]  # the names of the D columns
    classes: tuple[str, ...]  # by label

    def facts(self) -> dict[str, str]:
        """What decides a run's figures: the numbers themselves, by a digest, and the names."""
        content = b"".join(np.ascontiguousarray(xs).tobytes() for xs in self[:2])
        return {
            "rows": hashlib.sha256(content).hexdigest(),
            "columns": "\n".join(self.columns),
            "classes": "\n".join(self.classes),
        }


def random_parts(size: int, valid: int, test: int, seed: int) -> np.ndarray:
    """Parts int8 [size]: `valid` rows at random for validation, `test` for testing."""
    return _parts(np.random.default_rng(seed).permutation(size), np.arange(size), valid, test)


def parts_of_groups(groups: np.ndarray, valid: int, test: int, seed: int) -> np.ndarray:
    """The same with whole groups: parts int8 [N] of rows of `groups` [N], such as people.

    `valid` and `test` are numbers of groups.
    """
    names, members = np.unique(groups, return_inverse=True)
    return _parts(np.random.default_rng(seed).permutation(len(names)), members, valid, test)


def _parts(order: np.ndarray, members: np.ndarray, valid: int, test: int) -> np.ndarray:
    parts = np.full(len(order), TRAIN, np.int8)
    parts[order[len(order) - test :]] = TEST
    parts[order[len(order) - test - valid : len(order) - test]] = VALID
    return parts[members]
