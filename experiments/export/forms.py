"""The forward function of each experiment's net: what goes in, what comes out, what it means.

Axes that have names are of any size from 1. Sequences are time-major where the net's own state goes
in and comes out beside them, and [batch, time] where they are read from end to end.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from data import image_folder, mnist, vocabulary
from data.errors import UserError
from experiments import (
    char_rnn,
    draw_digits,
    lenet5,
    memory,
    moving_digits,
    tagger,
    translate,
    word_lm,
)
from experiments.export.package import Form, Size
from experiments.export.run import Run
from experiments.language.net import make_model, make_word_model
from experiments.tagging.net import NET, Batch, first_parameters, make_nets, of_fold
from experiments.training.cell_options import make_cell
from experiments.translation.net import make_model as make_translator
from nets.language_model import LanguageModel
from nets.row_writer import RowWriter

KEY = jax.eval_shape(lambda: jax.random.key(0))
INTS, FLOATS = "int32", "float32"


def images(run: Run, asked) -> Form:
    """LeNet-5 and its sisters: images to scores."""
    config = run.config(lenet5.Config)
    classes = _image_classes(run, config)
    net = lenet5.make_net(config, len(classes))
    likes = jax.eval_shape(net.init, KEY, jax.ShapeDtypeStruct((1, 28, 28), np.uint8))
    places = {name: f".variables['{name}']" for name in likes} | {"params": ".params"}
    return Form(
        lambda variables, inputs: {"scores": net.apply(variables, inputs["images"])},
        {name: run.checkpoint.tree(like, places[name]) for name, like in likes.items()},
        {"images": Size("uint8", "batch, 28, 28")},
        {"classes": classes, "note": "images: 0 is background, 255 is full ink; the class with "
         "the highest score is the likeliest"},
    )  # fmt: skip


def _image_classes(run: Run, config) -> list[str]:
    if config.dataset in ("digits", "mnist"):
        return list(mnist.CLASSES)
    try:
        return list(image_folder.load(config.dataset).classes)
    except UserError as error:
        biases = [a for name, a in run.checkpoint.arrays.items()
                  if name.startswith(".params") and name.endswith("['bias']")]  # fmt: skip
        print(f"The classes have numbers for names: {error}", file=sys.stderr)
        softmax = config.net != "lenet5" or config.softmax
        return [str(n) for n in range(len(biases[-1]) if softmax else 10)]


def characters(run: Run, asked) -> Form:
    """char_rnn: characters to the logits of the next ones."""
    symbols = list(run.identity["symbols"])
    return _language(run, make_model(run.config(char_rnn.Config), len(symbols)), symbols)


def words(run: Run, asked) -> Form:
    """word_lm: words to the logits of the next ones."""
    symbols = run.identity["words"].split(" ")
    return _language(run, make_word_model(run.config(word_lm.Config), len(symbols)), symbols)


def _parameters(run: Run, model):
    return run.checkpoint.tree(jax.eval_shape(model.init, KEY), ".params")


def _language(run: Run, model: LanguageModel, symbols: list[str]) -> Form:
    carry = jax.eval_shape(lambda: model.carry(1))

    def forward(params, inputs):
        carry, logits = model.logits(params, inputs["symbols"], inputs["carry"])
        return {"logits": logits, "carry": carry}

    return Form(
        forward,
        _parameters(run, model),
        {"symbols": Size(INTS, "time, batch"),
         "carry": jax.tree.map(lambda c: Size(FLOATS, f"batch, {c.shape[1]}"), carry)},
        {"symbols": symbols, "note": "a symbol's number is its place in `symbols`; a carry is 0 "
         "where a text begins, and what came out where it goes on"},
    )  # fmt: skip


def labels(run: Run, asked) -> Form:
    """tagger: sentences to the logits of labels; the parameters that did best on the validation."""
    places = {name: getattr(asked, name) or run.written.get(name, "")
              for name in ("data_dir", "raw_dir", "vectors")}  # fmt: skip
    digits = run.written.get("digits", "0")  # what runs from before the option did
    config = run.config(tagger.Config, **places, digits=digits)
    corpus, coding, table = tagger.coded_corpus(config)
    facts = tagger.facts_of(coding, table)
    if any(run.identity.get(name) != value for name, value in facts.items()):
        raise UserError(f"{config.dataset} has changed since {run.folder} was trained on it.")
    nets = make_nets(config, coding, 0 if table is None else table.shape[1], corpus.whole)
    best = tagger.kept_best(config, run.folder, nets, facts)[NET, 0]
    if not best:
        raise UserError(f"--workdir={run.folder} was not evaluated yet: go on with the training.")
    like = jax.eval_shape(lambda: of_fold(first_parameters(config, nets, table)[NET], 0))
    params = best.load(like)[1]
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
        "note": "a label's number is its place from 0; that of a word, letter or feature its place "
                "from 1, and 0 is what is not listed, or padding; words are looked up in small "
                "letters where `lowercase`; where `digits` is 0 a word that is not listed is "
                "looked up with every digit a 0; mask is true at words",
    })  # fmt: skip


def translation(run: Run, asked) -> Form:
    """translate: a source and the target before each word to the logits of each target word."""
    config = run.config(translate.Config)
    names = ("source_vocabulary", "target_vocabulary")
    sides = [vocabulary.from_json(run.identity[name]) for name in names]
    model = make_translator(config, *map(len, sides))
    source = "source"
    if config.form == "kalchbrenner":  # its layers are as many as the source's length wants
        source = str(model.encoder.model.longest)

    def forward(params, inputs):
        source, target = inputs["source"].T, inputs["target"].T
        memory, carry = model.begin(params, model.encode(params, source, inputs["source_mask"].T))
        return {"logits": jnp.swapaxes(model.decode(params, memory, carry, target)[1], 0, 1)}

    return Form(
        forward,
        _parameters(run, model),
        {"source": Size(INTS, f"batch, {source}"), "source_mask": Size("bool", f"batch, {source}"),
         "target": Size(INTS, "batch, target")},
        {"source_vocabulary": run.identity["source_vocabulary"],
         "target_vocabulary": run.identity["target_vocabulary"], "reverse": config.reverse,
         "special": list(vocabulary.SPECIAL),
         "note": "pieces are numbered from 4, after `special`; a source ends with </s> and is "
                 "turned round before that where `reverse`; a target begins with <s>; the mask is "
                 "true at words and at </s>"},
    )  # fmt: skip


def sequences(run: Run, asked) -> Form:
    """memory: a sequence to what is said at its end, or of `copy` at every step."""
    config = run.config(memory.Config)
    model = memory.make_model(config)
    whole = config.task in ("adding", "rows")  # vectors and not symbols
    sizes = {"inputs": Size(FLOATS, f"batch, time, {model.inputs}") if whole
             else Size(INTS, "batch, time")}  # fmt: skip

    def forward(params, inputs):
        xs = jnp.swapaxes(inputs["inputs"], 0, 1)
        if config.task == "copy":
            return {"said": jnp.swapaxes(model.each(params, xs), 0, 1)}
        mask = jnp.arange(xs.shape[0])[:, None] < inputs["lengths"]
        return {"said": model.last(params, xs, mask)}

    if config.task != "copy":
        sizes["lengths"] = Size(INTS, "batch")
    notes = {"task": config.task, "note": "adding: the target itself; else logits"}
    return Form(forward, _parameters(run, model), sizes, notes)


def pictures(run: Run, asked) -> Form:
    """draw_digits: a class and the rows so far to the logits of the rows below them."""
    config = run.config(draw_digits.Config)
    width = len(run.checkpoint.arrays[".params['output']['bias']"])
    model = RowWriter(make_cell(config), draw_digits.CLASSES, width)

    def forward(params, inputs):
        above = jnp.swapaxes(inputs["above"], 0, 1)
        _, logits = model.rows(params, model.begin(params, inputs["classes"]), above)
        return {"logits": jnp.swapaxes(logits, 0, 1)}

    return Form(
        forward, _parameters(run, model),
        {"classes": Size(INTS, "batch"), "above": Size(FLOATS, f"batch, time, {width}")},
        {"classes": list(mnist.CLASSES), "note": "rows of 0 and 1, the first of `above` is 0; "
         "logits of ink for the row below each"},
    )  # fmt: skip


def films(run: Run, asked) -> Form:
    """moving_digits: frames to the logits of those of the past, backwards, and of the future."""
    config = run.config(moving_digits.Config)
    model = moving_digits.make_model(config)

    def forward(params, inputs):
        frames = jnp.swapaxes(inputs["frames"], 0, 1)
        state = model.encode(params, frames)
        return {name: jnp.swapaxes(model.told(params, name, state, frames.shape[0]), 0, 1)
                for name in model.tells}  # fmt: skip

    return Form(
        forward, _parameters(run, model),
        {"frames": Size(FLOATS, f"batch, time, {model.pixels}")},
        {"field": config.field, "note": "a frame is `field` rows of `field` pixels from 0 to 1; "
         "`past` is told from the last frame to the first"},
    )  # fmt: skip


FORMS = {
    "lenet5": images,
    "char_rnn": characters,
    "word_lm": words,
    "tagger": labels,
    "translate": translation,
    "memory": sequences,
    "draw_digits": pictures,
    "moving_digits": films,
}
