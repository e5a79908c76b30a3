"""The exported form of a language model."""

import jax

from experiments.training.export_form import FLOATS, INTS, KEY, Form, Size
from experiments.training.trained_net import SavedRun
from nets.language_model import LanguageModel


def language_form(saved: SavedRun, model: LanguageModel, symbols: list[str]) -> Form:
    """Symbols and a carry to the logits of the next symbols and the carry after them."""
    carry = jax.eval_shape(lambda: model.carry(1))

    def forward(params, inputs):
        carry, logits = model.logits(params, inputs["symbols"], inputs["carry"])
        return {"logits": logits, "carry": carry}

    return Form(
        forward,
        saved.parameters(jax.eval_shape(model.init, KEY)),
        {"symbols": Size(INTS, "time, batch"),
         "carry": jax.tree.map(lambda c: Size(FLOATS, f"batch, {c.shape[1]}"), carry)},
        {"symbols": symbols, "note": "symbols are numbered from 0 as listed; the carry is "
         "0 at the start of a text, and afterwards the one of the previous call"},
    )  # fmt: skip
