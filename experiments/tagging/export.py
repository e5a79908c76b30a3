"""The exported form of a tagger."""

import jax
import jax.numpy as jnp

from data.errors import UserError
from experiments.tagging.data import coded_corpus, facts_of
from experiments.tagging.net import NET, Batch, first_parameters, make_nets, select_copy
from experiments.training.export_form import INTS, Form, Size
from experiments.training.trained_net import SavedRun


def tagging_form(saved: SavedRun, config) -> Form:
    """Sentences to the logits of labels."""
    corpus, coding, table = coded_corpus(config)
    facts = facts_of(coding, table)
    if any(saved.identity.get(name) != value for name, value in facts.items()):
        raise UserError(f"{config.dataset} has changed since {saved.folder} was trained on it.")
    nets = make_nets(config, coding, 0 if table is None else table.shape[1], corpus.whole)
    like = jax.eval_shape(lambda: first_parameters(config, nets, table)[NET])
    if any(name.startswith(f".params['{NET}']") for name in saved.checkpoint.arrays):
        stacked = saved.checkpoint.tree(like, f".params['{NET}']")  # those of the last step
        params = select_copy(stacked, 0)
    else:
        params = saved.parameters(jax.eval_shape(lambda stacked: select_copy(stacked, 0), like))
    given = {"vectors": table} if table is not None and config.freeze else {}
    axes = "batch, time"
    sizes = {"words": Size(INTS, axes), "mask": Size("bool", axes)}
    if config.letter_hidden:
        sizes["letters"] = Size(INTS, f"{axes}, {coding.longest}")
    if config.feature_column:
        sizes["features"] = Size(INTS, axes)

    def forward(params, inputs):
        batch = Batch(inputs["words"], inputs["mask"], None, None, inputs.get("letters"),
                      inputs.get("features"))  # fmt: skip
        logits, _ = nets[NET].logits(params, params.get("vectors"), batch)
        return {"logits": logits if corpus.whole else jnp.swapaxes(logits, 0, 1)}

    return Form(forward, params | given, sizes, {
        "labels": list(coding.labels), "words": list(coding.words), "letters": coding.letters,
        "features": list(coding.features), "lowercase": coding.lowercase,
        "digits": coding.digits,
        "note": "labels are numbered from 0 in the order listed; words, letters and features from "
                "1, and 0 stands for unlisted ones and for padding; if `lowercase`, words are "
                "lower-cased before they are looked up; if `digits` is 0, an unlisted word is "
                "looked up with all its digits replaced by 0; mask is true at words",
    })  # fmt: skip
