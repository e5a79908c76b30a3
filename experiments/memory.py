"""What a recurrent net can remember, and for how long. | Hochreiter, Schmidhuber 1997

    ./launch.sh memory                       the adding problem of length 100, with an LSTM
    ./launch.sh memory --preset=adding-rnn   the same with a tanh RNN, which fails
    ./launch.sh memory --preset=order-lstm   temporal order; also order-rnn
    ./launch.sh memory --preset=copy-lstm    copy ten symbols after 50 blanks; also copy-rnn
    ./launch.sh memory --preset=rows-lstm    MNIST row by row; also rows-irnn

Sequences are generated exactly as in the 1997 paper. The net differs: a common RNN, or LSTM with
forget gates, exact gradients, Adam and minibatches, where the paper has blocks of two cells without
forget gates, truncated gradients and an update after each sequence. A sequence counts as wrong by
the paper's criterion: an error of 0.04 or more (adding), or of 0.3 or more at any output (order).
A task is solved if fewer than 1 % of the test sequences are wrong, as in Pascanu, Mikolov and
Bengio 2013; for copy and rows, wrong symbols and wrong digits are counted.

For the adding problem the LSTM's forget bias is initialised to 5, so that it remembers for about a
hundred steps from the start (as in Bai, Kolter and Koltun 2018): with 1 it does not learn the task
in as many sequences.
"""

import dataclasses
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
from optax import softmax_cross_entropy_with_integer_labels

from data import memory_tasks, mnist
from data.errors import UserError
from data.images import Images
from data.memory_tasks import Sequences
from experiments.reports import page
from experiments.reports.result import Figure, finish
from experiments.runtime.command_line import main
from experiments.runtime.mesh import (
    evaluation_batches,
    mesh_for,
    placed,
)
from experiments.runtime.numbers import counted, readable
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.runtime.xla import call_once
from experiments.training.batches import drawn_batches, generated_batches
from experiments.training.cell_options import CellOptions, cell_name, make_cell
from experiments.training.export_form import FLOATS, INTS, KEY, Form, Size
from experiments.training.loop import Ratio, evaluate, init_state, make_step
from experiments.training.optimizer import RuleOptions, make_optimizer
from experiments.training.run import train
from experiments.training.trained_net import SavedRun
from nets.sequence_reader import SequenceReader

TASKS = {"adding": memory_tasks.adding, "order": memory_tasks.order, "copy": memory_tasks.copy}
SIZES = {"adding": (2, 1), "order": (8, 4), "copy": (10, 10), "rows": (28, 10)}  # inputs, outputs
TEST_SEED, TEST_SIZE = 2**31, 2560  # above any run's own seed; the paper's size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(CellOptions, RuleOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("generated", "generated, or mnist for --task=rows",
                          choices=("generated", "mnist"))
    task: str = option("adding", "adding, order, copy or rows", choices=tuple(SIZES))
    length: int = option(100, "T: the minimum length (adding, order), or blanks (copy)",
                         least=10, most=100_000)
    cell: str = option("lstm", "rnn (tanh), irnn, lstm or gru",
                       choices=("rnn", "irnn", "lstm", "gru"))
    hidden: int = option(32, "units", least=1, most=65_536)
    forget_bias: float = option(5.0, "lstm: initial bias of the forget gate")
    num_steps: int = option(6000, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(32, "sequences in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(4e-3, "initial learning rate", least=0.0)
    eval_every: int = option(500, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(500, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(50, "training steps in one device call", least=1,
                                 most=100_000, identity=False)


def _preset(name: str, **changes) -> Config:
    return dataclasses.replace(Config(), preset=name, **changes)


_COPY = dict(task="copy", length=50, hidden=64, forget_bias=1.0)
_ROWS = dict(
    task="rows", dataset="mnist", hidden=100, forget_bias=1.0, batch_size=64, learning_rate=2e-3,
    num_steps=5 * 938, eval_every=938, checkpoint_every=938,
)  # fmt: skip
PRESETS = {
    "quick": Config(),
    "adding-rnn": _preset("adding-rnn", cell="rnn"),
    "adding-gru": _preset("adding-gru", cell="gru"),
    "order-lstm": _preset("order-lstm", task="order", forget_bias=1.0),
    "order-rnn": _preset("order-rnn", task="order", cell="rnn"),
    "copy-lstm": _preset("copy-lstm", **_COPY),
    "copy-rnn": _preset("copy-rnn", cell="rnn", **_COPY),
    "rows-lstm": _preset("rows-lstm", **_ROWS),
    "rows-irnn": _preset("rows-irnn", cell="irnn", **_ROWS),
}
_SOURCE = "Hochreiter and Schmidhuber 1997, experiment {}: {} of 2,560, after {} sequences"
PAPER = {
    "adding": Figure(100 / 2560, _SOURCE.format(4, "1", "74,000"), "paper"),
    "order": Figure(100 / 2560, _SOURCE.format("6a", "1", "31,390"), "paper"),
}


def published(config: Config) -> dict[str, Figure]:
    """The paper's figure for an LSTM, if there is one for this task and length."""
    same = config.cell == "lstm" and config.length == 100 and config.task in PAPER
    return {"test_wrong_percent": PAPER[config.task]} if same else {}


def floor(config: Config) -> tuple[str, float]:
    """The name and value of the lowest loss that a net without memory can reach."""
    if config.task == "adding":
        return "test_mean_squared_error_floor", 1 / 6
    if config.task == "copy":
        return "test_nats_per_step_floor", 10 * math.log(8) / (config.length + 20)
    return "test_nats_floor", math.log(SIZES[config.task][1])


def loss_name(config: Config) -> str:
    """The name of the loss in the figures."""
    return floor(config)[0].removeprefix("test_").removesuffix("_floor")


def make_model(config: Config) -> SequenceReader:
    """The net, with the task's numbers of inputs and outputs."""
    return SequenceReader(make_cell(config), *SIZES[config.task])


def measured(config: Config, model: SequenceReader, params, batch: Sequences, weights=1.0):
    """(loss of each sequence [B], metrics); `weights` is 0 for sequences that do not count."""
    xs = jnp.swapaxes(batch.inputs, 0, 1)  # [T, B, ...]
    if config.task == "copy":
        logits, targets = model.each(params, xs), batch.targets.T  # of equal lengths
        losses = softmax_cross_entropy_with_integer_labels(logits, targets).mean(0)
        wrong = (logits.argmax(-1) != targets)[-10:].mean(0)
    else:
        mask = jnp.arange(len(xs))[:, None] < batch.lengths
        outputs = model.last(params, xs, mask)
        if config.task == "adding":
            errors = outputs[:, 0] - batch.targets
            # in units of the sum of two numbers from 0 to 1, whose variance is 1/6
            losses, wrong = jnp.square(2 * errors), abs(errors) >= 0.04
        else:
            losses = softmax_cross_entropy_with_integer_labels(outputs, batch.targets)
            wrong = outputs.argmax(-1) != batch.targets
        if config.task == "order":
            p = jax.nn.softmax(outputs)
            wrong = abs(p - jax.nn.one_hot(batch.targets, 4)).max(-1) >= 0.3
    count = jnp.broadcast_to(jnp.float32(weights), losses.shape).sum()
    sums = {"loss": (losses * weights).sum(), "wrong": (wrong * weights).sum(dtype=jnp.float32)}
    return losses, {name: Ratio(total, count) for name, total in sums.items()}


def make_loss(config: Config, model: SequenceReader):
    """The mean loss of Sequences, in the form that `experiments.training.loop` expects."""

    def loss(params, variables, carry, batch, key):
        losses, metrics = measured(config, model, params, batch)
        return losses.mean(), (variables, carry, metrics)

    return loss


def rows_of(images: np.ndarray, labels: np.ndarray) -> Sequences:
    """Images uint8 [..., 28, 28] as sequences of their rows, from top to bottom."""
    lengths = np.full(labels.shape, images.shape[-2], np.int32)
    return Sequences(images.astype(np.float32) / 255, lengths, labels)


def make_source(config: Config, mesh):
    """(batches of Sequences, the test set)."""
    if config.task == "rows":
        sets = mnist.load(config.data_dir or None, config.raw_dir or None)

        def as_rows(images: Images, positions: np.ndarray) -> Sequences:
            return rows_of(*images)

        return drawn_batches(config, sets.train, mesh, as_rows), rows_of(*sets.test)
    make = TASKS[config.task]

    def generate(random: np.random.Generator) -> Sequences:
        return make(random, config.batch_size, config.length)

    test = make(np.random.default_rng(TEST_SEED), TEST_SIZE, config.length)
    return generated_batches(config, generate, mesh), test


def figures(config: Config, means: dict[str, float]) -> dict[str, float]:
    """The means as they are reported."""
    return {loss_name(config): means["loss"], "wrong_percent": 100 * means["wrong"]}


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    if config.task == "rows":  # the one task that is read and not generated
        config = dataclasses.replace(config, dataset="mnist")
    elif config.dataset == "mnist":
        raise UserError(f"--dataset=mnist: --task={config.task} is generated; give --task=rows.")
    workdir = Workdir(config.workdir or f"runs/memory/{config.preset}")
    model = make_model(config)
    optimizer = make_optimizer(config, 1)
    mesh = mesh_for(config.batch_size)
    batches, test = make_source(config, mesh)
    params = call_once(model.init, jax.random.key(config.seed))
    state = placed(mesh, init_state(params, optimizer))
    key = jax.random.key(config.seed)
    step = make_step(make_loss(config, model), optimizer, key, dtype=config.dtype)
    measure = jax.jit(lambda params, cut: measured(config, model, params, *cut)[1])
    cuts = evaluation_batches(mesh, test, 512)

    def evaluated(state, watch):
        batches = watch(cuts, "test")
        means = evaluate(lambda cut: measure(state.params, cut), batches).means()
        return {"test": figures(config, means)}

    trained = train(config, workdir, state, step, batches, evaluated,
                    lambda means: figures(config, means),
                    data=f"{config.task}, {len(test.targets):,} sequences for testing",
                    unit="sequences")  # fmt: skip
    points = zip(*trained.metrics.curve("test", "wrong_percent"), strict=True)
    solved = [at for at, wrong in points if wrong < 1]
    metrics = dict([floor(config)])
    if solved:
        metrics["test_sequences_until_solved"] = solved[0] * config.batch_size
    result = finish("memory", config, trained, metrics=metrics, paper=published(config),
                    workdir=workdir)  # fmt: skip
    write_report(config, workdir, trained, result)
    return result


TITLES = {
    "adding": "The adding problem of length {}", "order": "Temporal order of length {}",
    "copy": "Copying ten symbols after {} blanks", "rows": "The rows of MNIST's digits",
}  # fmt: skip


def write_report(config: Config, workdir: Workdir, trained, result) -> None:
    """Writes report.html: the figures next to the floor, and curves."""
    wrong, loss = result["metrics"]["test_wrong_percent"], loss_name(config).replace("_", " ")
    what = "mean squared error" if config.task == "adding" else f"loss in {loss}"
    text = (
        f"Without memory, the {what} is {readable(floor(config)[1])} at best.",
        f"The task is {'solved' if wrong < 1 else 'not solved'}: {readable(wrong)} % of the test "
        f"{'symbols' if config.task == 'copy' else 'sequences'} are wrong; the limit is 1 %.",
    )
    names = {loss_name(config): loss, "wrong_percent": "wrong (%)"}
    sections = [
        page.result_section(result, text),
        *page.configuration_sections(config, workdir),
        page.curves_section(trained.metrics.rows, names, config.batch_size, x="sequences"),
    ]
    summary = (
        f"{TITLES[config.task].format(readable(config.length))}, learned by "
        f"{counted(config.hidden, cell_name(config.cell) + ' unit')} with "
        f"{result['parameters']:,} parameters in {counted(result['steps'], 'step')} of "
        f"{counted(config.batch_size, 'sequence')}."
    )
    page.write(workdir.report, f"Memory, preset {config.preset}", summary, sections)


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from a sequence to the output at its end, or for `copy` at each step."""
    config = saved.config(Config)
    model = make_model(config)
    vectors = config.task in ("adding", "rows")  # the inputs of the others are symbols
    sizes = {"inputs": Size(FLOATS, f"batch, time, {model.inputs}") if vectors
             else Size(INTS, "batch, time")}  # fmt: skip

    def forward(params, inputs):
        xs = jnp.swapaxes(inputs["inputs"], 0, 1)
        if config.task == "copy":
            return {"said": jnp.swapaxes(model.each(params, xs), 0, 1)}
        mask = jnp.arange(xs.shape[0])[:, None] < inputs["lengths"]
        return {"said": model.last(params, xs, mask)}

    if config.task != "copy":
        sizes["lengths"] = Size(INTS, "batch")
    notes = {"task": config.task, "note": "`said`: for adding the target itself, else logits"}
    return Form(forward, saved.parameters(jax.eval_shape(model.init, KEY)), sizes, notes)


if __name__ == "__main__":
    sys.exit(main(PRESETS, run))
