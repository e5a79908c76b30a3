"""A recurrent net draws a digit of a given class, row by row: one to many. | Karpathy 2015

    ./launch.sh draw_digits                   scikit-learn's 8x8 digits, under a minute
    ./launch.sh draw_digits --preset=mnist    MNIST's, 28 rows of 28 pixels

The input is a single vector, that of the class; the output is a sequence. The figures are -ln p of
a whole test picture, in nats, and the error rate of classifying test pictures by p(picture | class)
(Bayes' rule with equally likely classes). Pixels are thresholded at half intensity to black or
white. No figure is published for this net.
"""

import dataclasses
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data import mnist
from data.moving_digits import small_digits
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section
from experiments.reports.result import finish
from experiments.runtime.command_line import main
from experiments.runtime.mesh import (
    evaluation_batches,
    mesh_for,
    placed,
)
from experiments.runtime.numbers import counted
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.runtime.xla import call_once
from experiments.training.batches import drawn_batches
from experiments.training.cell_options import CellOptions, cell_name, make_cell
from experiments.training.export_form import FLOATS, INTS, KEY, Form, Size
from experiments.training.loop import Ratio, evaluate, init_state, make_step
from experiments.training.optimizer import RuleOptions, make_optimizer
from experiments.training.run import train
from experiments.training.trained_net import SavedRun
from nets.row_writer import RowWriter

CLASSES, DRAWN = 10, 8  # pictures of each class in the report


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(CellOptions, RuleOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("digits", "digits (8x8, embedded) or mnist", choices=("digits", "mnist"))
    cell: str = option("lstm", "rnn (tanh), irnn, lstm or gru",
                       choices=("rnn", "irnn", "lstm", "gru"))
    hidden: int = option(64, "units", least=1, most=65_536)
    num_steps: int = option(1000, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(32, "pictures in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(3e-3, "initial learning rate", least=0.0)
    eval_every: int = option(100, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(500, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(50, "training steps in one device call", least=1,
                                 most=100_000, identity=False)


PRESETS = {
    "quick": Config(),
    "mnist": Config(preset="mnist", dataset="mnist", hidden=256, batch_size=64, num_steps=4690,
                    learning_rate=2e-3, eval_every=938, checkpoint_every=938,
                    steps_per_call=20),
}  # fmt: skip


class Pictures(NamedTuple):
    """Pictures of 0 and 1 with their classes."""

    pictures: np.ndarray  # float32 [N, side, side]
    labels: np.ndarray  # int32 [N]


def load(config: Config) -> tuple[Pictures, Pictures]:
    """The training pictures and the test pictures."""
    if config.dataset == "mnist":
        sets = mnist.load(config.data_dir or None, config.raw_dir or None)
        return tuple(Pictures((part.images > 127).astype(np.float32), part.labels)
                     for part in (sets.train, sets.test))  # fmt: skip
    from sklearn.datasets import load_digits

    labels, digits = load_digits().target.astype(np.int32), small_digits()
    cut = len(digits.train)
    pairs = ((digits.train, labels[:cut]), (digits.test, labels[cut:]))
    return tuple(Pictures((images >= 0.5).astype(np.float32), labels) for images, labels in pairs)


def rows_first(pictures):
    """Pictures [B, side, side] as time-major rows [T, B, W]."""
    return jnp.swapaxes(pictures, 0, 1)


def make_loss(model: RowWriter):
    """The mean -ln p of a picture, in the form that `experiments.training.loop` expects."""

    def loss(params, variables, carry, batch, key):
        nats = -model.log_p(params, batch.labels, rows_first(batch.pictures))
        ratio = Ratio(nats.sum(), jnp.float32(nats.size))
        return nats.mean(), (variables, carry, {"nats_per_picture": ratio})

    return loss


def make_measure(model: RowWriter):
    """A function (params, Pictures, mask [B]) -> -ln p given the true class, and errors."""

    @jax.jit
    def measure(params, batch, mask):
        rows, size = rows_first(batch.pictures), len(batch.labels)
        log_p = jax.vmap(lambda c: model.log_p(params, jnp.full(size, c), rows))(
            jnp.arange(model.classes)
        )  # [C, B]
        nats = -log_p[batch.labels, jnp.arange(size)]
        wrong = log_p.argmax(0) != batch.labels
        return {"nats_per_picture": Ratio((nats * mask).sum(), mask.sum()),
                "wrong": Ratio((wrong * mask).sum(), mask.sum())}  # fmt: skip

    return measure


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/draw_digits/{config.preset}")
    training, test = load(config)
    side = training.pictures.shape[-1]
    model = RowWriter(make_cell(config), CLASSES, side)
    mesh, optimizer = mesh_for(config.batch_size), make_optimizer(config, 1)
    params = call_once(model.init, jax.random.key(config.seed))
    key = jax.random.key(config.seed)
    step = make_step(make_loss(model), optimizer, key, dtype=config.dtype)
    measure = make_measure(model)
    cuts = evaluation_batches(mesh, test, 200)

    def evaluated(state, watch):
        batches = watch(cuts, "test")
        means = evaluate(lambda cut: measure(state.params, *cut), batches).means()
        return {"test": {"nats_per_picture": means["nats_per_picture"],
                         "wrong_percent": 100 * means["wrong"]}}  # fmt: skip

    trained = train(config, workdir, placed(mesh, init_state(params, optimizer)), step,
                    drawn_batches(config, training, mesh), evaluated,
                    lambda means: {"nats_per_picture": means["nats_per_picture"]},
                    data=f"{config.dataset}, {len(training.labels):,} pictures for training and "
                         f"{len(test.labels):,} for testing",
                    unit="pictures")  # fmt: skip
    result = finish("draw_digits", config, trained, workdir=workdir, paper={},
                    metrics=floor(training, test))  # fmt: skip
    write_report(config, workdir, trained, result, model, test)
    return result


def floor(training: Pictures, test: Pictures) -> dict[str, float]:
    """The mean -ln p of a test picture if its pixels were independent, given its class."""
    nats = np.zeros(len(test.labels))
    for label in range(CLASSES):
        examples = training.pictures[training.labels == label]
        p = (examples.sum(0) + 1) / (len(examples) + 2)
        members = test.labels == label
        pictures = test.pictures[members]
        log_p = pictures * np.log(p) + (1 - pictures) * np.log(1 - p)
        nats[members] = -log_p.sum((1, 2))
    return {"test_nats_per_picture_of_independent_pixels": float(nats.mean())}


def write_report(config: Config, workdir: Workdir, trained, result, model, test: Pictures) -> None:
    """Writes report.html: curves, and pictures drawn by the net next to real ones."""
    params = jax.tree.map(jnp.asarray, trained.net.params)
    classes = jnp.repeat(jnp.arange(CLASSES), DRAWN)
    key, side = jax.random.key(config.seed), test.pictures.shape[-1]
    drawn = jax.jit(lambda params: model.sample(params, classes, key, side))(params)
    real = np.concatenate([test.pictures[test.labels == label][:DRAWN] for label in range(CLASSES)])
    sides = {"Drawn by the net": np.asarray(drawn.swapaxes(0, 1)), "From the test set": real}
    pictures = [
        Picture(drawing.tiles(source, images, 0, 1, columns=DRAWN, side=40), f"{source}.")
        for source, images in sides.items()
    ]
    names = {"nats_per_picture": "nats per picture", "wrong_percent": "wrong class (%)"}
    text = ("One class per row, 0 to 9. The net sees only the class and the rows it has drawn.",)
    sections = [
        page.result_section(result),
        *page.configuration_sections(config, workdir),
        page.curves_section(trained.metrics.rows, names, config.batch_size, x="pictures"),
        Section("Drawn digits", text, pictures=pictures),
    ]
    summary = (
        f"Digits of {side} × {side} pixels (data {config.dataset}), learned by "
        f"{counted(config.hidden, cell_name(config.cell) + ' unit')} with "
        f"{result['parameters']:,} parameters in {counted(result['steps'], 'step')} of "
        f"{counted(config.batch_size, 'picture')}."
    )
    page.write(workdir.report, f"Drawn digits, preset {config.preset}", summary, sections)


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from a class and the rows so far to the logits of the row below each."""
    config = saved.config(Config)
    width = len(saved.checkpoint.arrays[".params['output']['bias']"])
    model = RowWriter(make_cell(config), CLASSES, width)

    def forward(params, inputs):
        above = jnp.swapaxes(inputs["above"], 0, 1)
        _, logits = model.rows(params, model.begin(params, inputs["classes"]), above)
        return {"logits": jnp.swapaxes(logits, 0, 1)}

    return Form(
        forward, saved.parameters(jax.eval_shape(model.init, KEY)),
        {"classes": Size(INTS, "batch"), "above": Size(FLOATS, f"batch, time, {width}")},
        {"classes": list(mnist.CLASSES), "note": "pixels are 0 or 1, and the first row of "
         "`above` is 0; the logits are of ink in the row below each"},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(PRESETS, run))
