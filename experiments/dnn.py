"""Feed-forward nets classify irises and faces, many seeds at once. | Mitchell 1997

    ./launch.sh dnn                       the lecture's program: iris, 100 seeds
    ./launch.sh dnn --preset=faces        Mitchell's net of 960-3-4 units says where a face looks
    ./launch.sh dnn --preset=faces-30     the same with 30 hidden units
    ./launch.sh dnn --dataset=./my.csv --class_column=NAME --standardise    your own table

The lecture's program is TensorFlow's tutorial of 2017 (`tf.estimator.DNNClassifier`): Adagrad with
a rate of 0.05, an accumulator that begins at 0.1 and no epsilon, and a loss that is *summed* over
the batch; later versions average it, which is trained beside, from the same first parameters. It
shuffled a queue, so that a batch of 128 out of 120 rows repeats some rows; here one pass follows
another, each in its own order, with the same effect. A rectified layer can die: once no row
activates any of its units, the net says the same of every row.

Mitchell's net (section 4.7) has logistic units, targets of 0.1 and 0.9, a rate and a momentum of
0.3, and first weights of 0 in the hidden layer. The book says that it was trained by full gradient
descent, but with that rate a step on the summed error of 260 images drives all units into
saturation; the authors' program updates after each image, and so does this one. As in the book, the
net is kept that does best on validation images. The images are drawn at random, so that those of a
person are in all parts; `--beside=people` trains as many nets that are tested on other people.
"""

import dataclasses
import functools
import sys

import jax
import numpy as np
import optax

from data import cmu_faces, csv_table, iris
from data.errors import UserError
from data.tables import TRAIN, Table, parts_of_groups, random_parts
from experiments.images import dnn_report
from experiments.images.copies import Copies, Group, replayed, split_key, standardised
from experiments.images.dnn_scores import Evaluation
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import mesh_for, placed
from experiments.runtime.options import option, whole_numbers
from experiments.runtime.workdir import Workdir
from experiments.training.export_form import FLOATS, KEY, Form, Size
from experiments.training.kept import KeepOptions
from experiments.training.loop import init_state, make_step
from experiments.training.run import train
from experiments.training.trained_net import SavedRun
from nets.feed_forward import UNITS, FeedForward


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(KeepOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("iris", "iris (embedded), cmu_faces, or the path of your own table (CSV)")
    target: str = option("pose", "cmu_faces: what the net says: pose, person, expression or "
                         "sunglasses", choices=tuple(cmu_faces.TARGETS))
    class_column: str = option("", "own table: name or number of the column that holds the class; "
                               "default: the last one")
    test: str = option("", "own table: a file of the rows to test on", path=True)
    test_percent: float = option(20.0, "own table: share of its rows to test on, if no file is "
                                 "given", least=0.0, most=90.0)
    valid_percent: float = option(0.0, "own table: share of its rows for validation",
                                  least=0.0, most=90.0)
    standardise: bool = option(False, "scale every column to mean 0 and variance 1 in training")
    hidden: str = option("10,20,10", "hidden units by layer, such as 20,10; none: a linear net")
    unit: str = option("relu", "hidden units: relu, sigmoid or tanh", choices=tuple(UNITS))
    loss: str = option("cross_entropy", "cross_entropy (softmax), or squared (logistic output "
                       "units, targets 0.1 and 0.9)", choices=("cross_entropy", "squared"))
    reduction: str = option("sum", "of the losses in a batch: sum or mean", choices=("sum", "mean"))
    init: str = option("glorot", "first weights: glorot (uniform), uniform, or zero-first (the "
                       "same, but 0 in the first layer)",
                       choices=("glorot", "uniform", "zero-first"))
    init_scale: float = option(0.05, "uniform, zero-first: the limit", least=0.0)
    optimizer: str = option("adagrad", "update rule", choices=("adagrad", "sgd", "adam"))
    accumulator: float = option(0.1, "adagrad: what the sums of squares begin with", least=0.0)
    momentum: float = option(0.0, "sgd: momentum", least=0.0, most=0.9999)
    seeds: int = option(100, "nets that are trained side by side, of the seeds from --seed on",
                        least=1, most=10_000)
    beside: str = option("reduction", "as many nets again: with the other `reduction`, on other "
                         "`people` (cmu_faces: no person is in two parts), or none",
                         choices=("reduction", "people", "none"))
    num_steps: int = option(2000, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(128, "rows in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(0.05, "learning rate", least=0.0)
    eval_every: int = option(200, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(1000, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(50, "training steps in one device call", least=1,
                                 most=100_000, identity=False)


LARGEST_BLOCK = 2**28  # bytes
TRAIN_FACES, VALID_FACES, TEST_FACES = 260, 104, 260
VALID_PEOPLE, TEST_PEOPLE = 3, 8  # of 20
_FACES = Config(
    preset="faces", dataset=cmu_faces.NAME, hidden="3", unit="sigmoid", loss="squared",
    init="zero-first", optimizer="sgd", momentum=0.3, learning_rate=0.3, seeds=10, beside="people",
    batch_size=1, num_steps=100 * TRAIN_FACES, eval_every=TRAIN_FACES,
    checkpoint_every=10 * TRAIN_FACES, steps_per_call=TRAIN_FACES,
)  # fmt: skip
PRESETS = {
    "quick": Config(),
    "faces": _FACES,
    "faces-30": dataclasses.replace(_FACES, preset="faces-30", hidden="30"),
}

PAPER = {
    "quick": {"test_median_accuracy_percent": Figure(
        96.6667, "TensorFlow's tutorial of 2017, as printed in the lecture: one run", "quoted")},
    "faces": {"test_accuracy_percent": Figure(
        90.0, "Mitchell 1997, section 4.7: one run, of a share of the same images", "paper")},
}  # fmt: skip


def published(config: Config) -> dict[str, Figure]:
    """The figures for this preset, if the net and the data are still the preset's."""
    names = ("dataset", "target", "hidden", "reduction", "loss")
    same = same_options(config, PRESETS[config.preset], names)
    return PAPER.get(config.preset, {}) if same else {}


def load(config: Config) -> tuple[Table, list[Group]]:
    """The rows that `--dataset` names, and the groups of nets with the parts of each; UserError."""
    own = "/" in config.dataset or "." in config.dataset
    _refuse_ignored(config, own)
    if config.dataset == cmu_faces.NAME:
        return _faces(config, config.reduction == "sum")
    if config.beside == "people":
        raise UserError(f"--beside=people: --dataset={config.dataset} has no people; give "
                        "--beside=none or --beside=reduction.")  # fmt: skip
    if config.dataset == "iris":
        table, parts = iris.load()
    elif own:
        table, parts = csv_table.load(config.dataset, config.class_column, config.test,
                                      config.test_percent, config.valid_percent)  # fmt: skip
    else:
        raise UserError(
            f"--dataset={config.dataset}: choose iris, {cmu_faces.NAME}, or a file's path such as "
            f"./{config.dataset}.csv."
        )
    return table, _groups(config, np.broadcast_to(parts, (config.seeds, len(parts))))


def _faces(config: Config, summed: bool) -> tuple[Table, list[Group]]:
    faces = cmu_faces.load(config.target, config.raw_dir or None)
    pixels = faces.images.reshape(len(faces.images), -1).astype(np.float32) / 255
    names = tuple(f"pixel {n}" for n in range(pixels.shape[1]))
    table = Table(pixels, faces.labels, names, faces.classes)
    seeds = range(config.seed, config.seed + config.seeds)
    size = len(pixels)
    mixed = np.stack([random_parts(size, VALID_FACES, TEST_FACES, seed) for seed in seeds])
    if config.beside != "people":
        return table, _groups(config, mixed)
    apart = np.stack(
        [parts_of_groups(faces.people, VALID_PEOPLE, TEST_PEOPLE, seed) for seed in seeds]
    )
    return table, [Group("", summed, mixed), Group("new_people_", summed, apart)]


def _refuse_ignored(config: Config, own: bool) -> None:
    """Raises UserError for an option of other data."""
    ignored = () if own else ("class_column", "test", "test_percent", "valid_percent")
    for name in ignored:
        if getattr(config, name) != getattr(PRESETS["quick"], name):
            raise UserError(f"--{name} is for your own table: give --dataset=./FILE.csv.")
    if config.target != PRESETS["quick"].target and config.dataset != cmu_faces.NAME:
        raise UserError(f"--target is for faces: give --dataset={cmu_faces.NAME}.")


def _groups(config: Config, parts: np.ndarray) -> list[Group]:
    """One group, or another one beside it with the other reduction of the loss."""
    summed = config.reduction == "sum"
    other = Group("averaged_loss_" if summed else "summed_loss_", not summed, parts)
    return [Group("", summed, parts), *([other] if config.beside == "reduction" else [])]


def make_net(config: Config, inputs: int, outputs: int) -> FeedForward:
    """The architecture; raises UserError."""
    text = "" if config.hidden == "none" else config.hidden
    hidden = whole_numbers(
        "hidden", text, "give whole numbers with commas, such as 10,20, or none"
    )
    return FeedForward((inputs, *hidden, outputs), config.unit, config.init, config.init_scale)


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """An update rule that treats every parameter, and so every copy of the net, by itself.

    Adagrad's is p -= rate g / sqrt(accumulator + sum of g^2); with momentum m, the change of a step
    is -rate g + m times that of the step before.
    """
    rate = config.learning_rate
    return {
        "adagrad": lambda: optax.adagrad(rate, config.accumulator, eps=0.0),
        "sgd": lambda: optax.sgd(rate, config.momentum or None),
        "adam": lambda: optax.adam(rate),
    }[config.optimizer]()


def scale(config: Config, table: Table, groups: list[Group]) -> dict[str, np.ndarray]:
    """With --standardise, the mean and deviation [D] of the first copy's training rows."""
    if not config.standardise:
        return {}
    rows = table.inputs[groups[0].parts[0] == TRAIN]
    deviation = rows.std(0)
    return {"mean": rows.mean(0), "deviation": np.where(deviation > 0, deviation, np.float32(1))}


def with_fewer_steps_in_a_call(config: Config, table: Table) -> Config:
    """`config`, so that the rows which one call to the device takes fit into LARGEST_BLOCK."""
    in_a_step = 2 * config.batch_size * config.seeds * table.inputs[0].nbytes
    most = max(1, LARGEST_BLOCK // in_a_step)
    return dataclasses.replace(config, steps_per_call=min(config.steps_per_call, most))


def to_figures(means: dict[str, float]) -> dict[str, float]:
    """The means as they are reported: accuracies in percent."""
    figures = {}
    for name, mean in means.items():
        if name.endswith("accuracy"):
            figures[f"{name}_percent"] = 100 * mean
        elif name != "objective":
            figures[name] = mean
    return figures


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/dnn/{config.preset}")
    table, groups = load(config)
    config = with_fewer_steps_in_a_call(config, table)
    net = make_net(config, table.inputs.shape[1], len(table.classes))
    copies = Copies(config, net, table, groups)
    mesh, optimizer = mesh_for(config.batch_size), make_optimizer(config)
    state = init_state(copies.init(), optimizer, variables=scale(config, table, groups))
    key_steps = split_key(config.seed)[1]
    step = make_step(copies.loss, optimizer, key_steps, dtype=config.dtype)
    evaluation = Evaluation(copies, mesh)
    trained = train(
        config, workdir, placed(mesh, state), step, copies.batches(mesh), evaluation.evaluate,
        to_figures, test=evaluation.test, offer=evaluation.offer, facts=table.facts(),
        data=f"{copies.count:,} nets on {config.dataset}, {sizes(groups)}", unit="rows",
        units_in_a_step=config.batch_size * copies.count,
    )  # fmt: skip
    one = jax.tree.map(lambda xs: xs[0], evaluation.params)
    result = finish("dnn", config, trained, workdir, metrics={}, paper=published(config),
                    params=one)  # fmt: skip
    dnn_report.write(config, workdir, trained, result, evaluation, functools.partial(
        replayed, copies, optimizer, evaluation.variables))  # fmt: skip
    return result


def sizes(groups: list[Group]) -> str:
    """How many rows the first copy has in each part."""
    counts = np.bincount(groups[0].parts[0], minlength=3)
    valid = f"{counts[1]:,} for validation, " if counts[1] else ""
    return f"{counts[0]:,} rows for training, {valid}{counts[2]:,} for testing"


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from rows to the sums of the output units, of the first seed's net."""
    config = saved.config(Config)
    columns, classes = (saved.identity[name].split("\n") for name in ("columns", "classes"))
    net = make_net(config, len(columns), len(classes))
    arrays = saved.checkpoint.arrays
    like = jax.eval_shape(net.init, KEY)
    copies = arrays[".params[0]['weights']"].shape[:-2]  # () for a net that validation chose
    stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((*copies, *x.shape), x.dtype), like)
    params = saved.parameters(stacked)
    if copies:
        params = jax.tree.map(lambda xs: xs[0], params)
    names = ("mean", "deviation") if config.standardise else ()
    column = jax.ShapeDtypeStruct((len(columns),), np.float32)
    scales = saved.checkpoint.tree(dict.fromkeys(names, column), ".variables")

    def forward(parameters, inputs):
        rows = standardised(parameters["scale"], inputs["rows"])
        return {"sums": net.sums(parameters["layers"], rows)}

    return Form(
        forward, {"layers": params, "scale": scales},
        {"rows": Size(FLOATS, f"batch, {len(columns)}")},
        {"columns": columns, "classes": classes, "note": "the class with the largest sum is the "
         "prediction; pixels are from 0 to 1"},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(PRESETS, run))
