"""What an experiment brings so that its trained net can be exported.

An entry point defines `export_form(saved, options) -> Form`: `saved` is a `SavedRun`, `options`
are the flags of `./launch.sh export`. The rest, the files included, is done by
`experiments/export`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

Tree = Any
KEY = jax.eval_shape(lambda: jax.random.key(0))  # for the shapes of parameters, never drawn from
INTS, FLOATS = "int32", "float32"


class Size(NamedTuple):
    """The type and axes of an input: `batch, 28, 28`, where a word is any size from 1."""

    dtype: str
    axes: str


class Form(NamedTuple):
    """A forward function and its description. The trees have names for their leaves.

    Sequences are time-major where the net's own state goes in and comes out with them, and
    [batch, time] where they are read from end to end.
    """

    forward: Callable[[Tree, Tree], Tree]  # (parameters, inputs) -> outputs
    parameters: Tree
    inputs: Tree  # of Sizes
    notes: Mapping[str, Any]  # for export.json: what the numbers stand for
