"""The exported form of a translator."""

import jax
import jax.numpy as jnp

from data import vocabulary
from experiments.training.export_form import INTS, KEY, Form, Size
from experiments.training.trained_net import SavedRun
from experiments.translation.net import make_model


def translation_form(saved: SavedRun, config) -> Form:
    """Source words and the target words so far to the logits of each next target word."""
    names = ("source_vocabulary", "target_vocabulary")
    sides = [vocabulary.from_json(saved.identity[name]) for name in names]
    model = make_model(config, *map(len, sides))
    source = "source"
    if config.form == "kalchbrenner":  # the length of the source decides the number of layers
        source = str(model.encoder.model.longest)

    def forward(params, inputs):
        source, target = inputs["source"].T, inputs["target"].T
        memory, carry = model.begin(params, model.encode(params, source, inputs["source_mask"].T))
        return {"logits": jnp.swapaxes(model.decode(params, memory, carry, target)[1], 0, 1)}

    return Form(
        forward,
        saved.parameters(jax.eval_shape(model.init, KEY)),
        {"source": Size(INTS, f"batch, {source}"), "source_mask": Size("bool", f"batch, {source}"),
         "target": Size(INTS, "batch, target")},
        {"source_vocabulary": saved.identity["source_vocabulary"],
         "target_vocabulary": saved.identity["target_vocabulary"], "reverse": config.reverse,
         "special": list(vocabulary.SPECIAL),
         "note": "pieces are numbered from 4, after `special`; a source ends with </s>, and if "
                 "`reverse` the pieces before it are in reverse order; a target begins with <s>; "
                 "the mask is true at pieces and at </s>"},
    )  # fmt: skip
