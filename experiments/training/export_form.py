"""What an experiment provides so that its trained net can be exported.

An entry point defines `export_form(saved, options) -> Form`: `saved` is a `SavedRun`, `options`
are the flags of `./launch.sh export`. `experiments/export` does the rest, including the files.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

Tree = Any
KEY = jax.eval_shape(lambda: jax.random.key(0))  # for the shapes of parameters, never drawn from
INTS, FLOATS = "int32", "float32"


class Size(NamedTuple):
    """The type and axes of an input: `batch, 28, 28`, where a name is any size from 1."""

    dtype: str
    axes: str


class Form(NamedTuple):
    """A forward function and its description. Every leaf of the trees has a name.

    Sequences are time-major if the net's state is an input and an output as well, and [batch, time]
    if they are read from end to end.
    """

    forward: Callable[[Tree, Tree], Tree]  # (parameters, inputs) -> outputs
    parameters: Tree
    inputs: Tree  # of Sizes
    notes: Mapping[str, Any]  # for export.json: what the numbers stand for
