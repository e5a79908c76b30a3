"""The identity on vectors with a single 1, learned by many copies of a net at once.

The copies' parameters are stacked on a leading axis. The loss is summed over the copies, so that
the gradient of each is its own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.images.reconstruction import LOSSES
from experiments.runtime.workdir import Workdir
from experiments.training import metrics
from experiments.training.export_form import FLOATS, Form, Size
from experiments.training.loop import Ratio
from experiments.training.trained_net import SavedRun
from nets.autoencoder import Autoencoder

TRACE = "trace.jsonl"  # in the run's folder: the first copy at each evaluation
SHOWN = 1  # the example whose hidden values are traced: 01000000


class Inputs(NamedTuple):
    """Examples, which are their own targets."""

    inputs: np.ndarray  # float32 [N, D]


def examples(config) -> Inputs:
    """Each input is 1 in turn."""
    return Inputs(np.eye(config.inputs, dtype=np.float32))


def first_copies(config, model: Autoencoder, key: jax.Array):
    """The copies' parameters, biases too, from U(-init_scale, init_scale)."""
    like = jax.eval_shape(model.init, key)
    leaves, tree = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    limit = config.init_scale
    drawn = [jax.random.uniform(k, (config.copies, *leaf.shape), minval=-limit, maxval=limit)
             for k, leaf in zip(keys, leaves, strict=True)]  # fmt: skip
    return jax.tree.unflatten(tree, drawn)


def make_loss(config, model: Autoencoder):
    """The sum over the copies of the mean loss of a batch, in the form that the loop expects."""

    def loss(params, variables, carry, batch, key):
        logits = jax.vmap(lambda one: model.logits(one, batch.inputs))(params)  # [copies, B, D]
        each = LOSSES[config.loss](logits, batch.inputs)  # [copies, B]
        value = each.mean(1).sum()
        return value, (variables, carry, {"loss": Ratio(value, jnp.float32(config.copies))})

    return loss


class Behaviour(NamedTuple):
    """What copies of a net make of all examples."""

    hidden: jax.Array  # [copies, N, K]
    outputs: jax.Array  # [copies, N, D]

    def right(self) -> jax.Array:
        """[copies]: whether all outputs are on the right side of a half."""
        wanted = jnp.eye(self.outputs.shape[-1]) > 0.5
        return ((self.outputs > 0.5) == wanted).all((1, 2))

    def errors(self) -> jax.Array:
        """[copies, D]: the squared error of each output, summed over the examples."""
        return jnp.square(self.outputs - jnp.eye(self.outputs.shape[-1])).sum(1)

    def distinct(self) -> jax.Array:
        """[copies]: how many different codes there are, of hidden values rounded to 0 or 1."""
        bits = self.hidden > 0.5
        same = (bits[:, :, None] == bits[:, None]).all(-1)  # [copies, N, N]
        return (~jnp.tril(same, -1).any(-1)).sum(-1)  # those that equal no earlier one


def behaviour(model: Autoencoder, params) -> Behaviour:
    """Of copies of a net, on all examples."""
    xs = jnp.eye(model.sizes[0])
    hidden = jax.vmap(lambda one: model.encode(one, xs))(params)
    return Behaviour(hidden, jax.nn.sigmoid(jax.vmap(model.decode)(params, hidden)))


def make_evaluate(config, model: Autoencoder, workdir: Workdir):
    """A function (state, watch) -> figures of the copies; it also adds to the run's trace."""

    @jax.jit
    def measured(params):
        found = behaviour(model, params)
        distinct = found.distinct()
        figures = {
            "right_percent": 100 * found.right().mean(),
            "distinct_percent": 100 * (distinct == config.inputs).mean(),
            "distinct_codes": distinct.mean(),
            "squared_error": found.errors().sum(1).mean(),
        }
        layer = jax.tree.map(lambda leaf: leaf[0], params)["encoder"][0]
        weights = jnp.append(layer["weights"][:, 0], layer["bias"][0])
        return figures, (found.errors()[0], found.hidden[0, SHOWN], weights)

    def evaluated(state, watch):
        figures, first = jax.device_get(measured(state.params))
        add_trace(workdir, int(state.step), *first)
        return {"train": {name: float(value) for name, value in figures.items()}}

    return evaluated


def add_trace(workdir: Workdir, step: int, errors, hidden, weights) -> None:
    """Adds a line to the trace, in place of those of the same or later steps."""
    metrics.add_row(workdir.path / TRACE, {
        "step": step, "errors": errors.tolist(), "hidden": hidden.tolist(),
        "weights": weights.tolist(),
    })  # fmt: skip


def trace(workdir: Workdir) -> list[dict]:
    """The first copy at each evaluation: `step`; `errors` of each output; `hidden` values for the
    second example; `weights` into the first hidden unit, that of the bias the last."""
    return metrics.read(workdir.path / TRACE)


def export_form(saved: SavedRun, config, model: Autoencoder, like) -> Form:
    """The exported form of the first copy: from inputs to hidden values and outputs."""
    stacked = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((config.copies, *leaf.shape), leaf.dtype), like
    )
    params = jax.tree.map(lambda leaf: leaf[0], saved.parameters(stacked))

    def forward(params, inputs):
        codes = model.encode(params, inputs["inputs"])
        return {"codes": codes, "outputs": jax.nn.sigmoid(model.decode(params, codes))}

    return Form(
        forward, params, {"inputs": Size(FLOATS, f"batch, {config.inputs}")},
        {"note": "of the first of the run's copies of the net"},
    )  # fmt: skip
