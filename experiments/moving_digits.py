"""An LSTM predicts how a film continues. | Srivastava, Mansimov, Salakhutdinov 2015

    ./launch.sh moving_digits                   two small digits in frames of 16x16, a minute
    ./launch.sh moving_digits --preset=paper    moving MNIST of 64x64, 2,048 units; for a GPU
    ./launch.sh moving_digits --tells=future    the future alone; also --conditional=none, past, ...

The composite LSTM reads ten frames, reconstructs them from the last to the first, and predicts
the ten that follow. The figure is the cross-entropy of a frame in nats, summed over its pixels and
averaged over frames and films.

Where the paper is silent: a conditional decoder reads its own previous frame in training as well,
and 0 before the first (trained on the true frames instead, it failed as soon as it had to read its
own). The published configuration's gradient_clip of 1e-4 is left out, since it does not say what is
clipped. Test films are made of digits held out from training.
"""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from data.errors import UserError
from data.moving_digits import mnist_digits, sequences, small_digits
from experiments.images import moving_digits_report
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import local_copy, mesh_for, placed
from experiments.runtime.options import Shared, option
from experiments.runtime.workdir import Workdir
from experiments.runtime.xla import call_once
from experiments.training.batches import generated_batches
from experiments.training.export_form import FLOATS, KEY, Form, Size
from experiments.training.loop import Ratio, evaluate, init_state, make_step
from experiments.training.run import train
from experiments.training.trained_net import SavedRun
from nets.cells import LSTM
from nets.video import FUTURE, PAST, Composite

WAYS = ("both", PAST, FUTURE, "none")
NAMES = {PAST: "reconstruction", FUTURE: "future"}
TEST_SEED = 2**31  # above any run's own seed
TEST_BATCH = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Shared):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option("digits", "digits (8x8, embedded) or mnist", choices=("digits", "mnist"))
    field: int = option(16, "width and height of a frame, in pixels", least=8, most=1024)
    number: int = option(2, "digits in a film", least=1, most=100)
    frames: int = option(10, "frames read, and frames decoded", least=1, most=1000)
    tells: str = option("both", "what is decoded: past, future, or both", choices=WAYS[:3])
    conditional: str = option("future", "decoders that read their own previous frame: both, "
                              "past, future, none", choices=WAYS)  # fmt: skip
    hidden: int = option(192, "units of each LSTM", least=1, most=65_536)
    peepholes: bool = option(True, "peephole connections from the cell to the gates")
    forget_bias: float = option(1.0, "initial bias of the forget gate")
    optimizer: str = option("adam", "adam, or SGD with momentum 0.9", choices=("adam", "momentum"))
    l2: float = option(0.0, "weight decay: factor of the weights added to the gradient", least=0.0)
    decay: float = option(1.0, "momentum: factor of the learning rate every 10,000 steps",
                          least=0.0)
    test_films: int = option(200, "films in the test set", least=1, most=1_000_000)
    num_steps: int = option(1200, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(32, "films in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(3e-3, "initial learning rate", least=0.0)
    eval_every: int = option(200, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(600, "steps between checkpoints", least=1, identity=False)


_PAPER = Config(
    preset="paper", dataset="mnist", field=64, conditional="both", hidden=2048, forget_bias=0.0,
    optimizer="momentum", learning_rate=1e-4, l2=1e-4, decay=0.9, num_steps=100_000,
    batch_size=80, eval_every=1000, checkpoint_every=1000, test_films=1000,
    steps_per_call=2,
)  # fmt: skip
PRESETS = {"quick": Config(), "paper": _PAPER}
_SOURCE = "Srivastava et al. 2015, moving MNIST, {}"
PAPER = {  # by (tells, conditional)
    ("future", "none"): Figure(350.2, _SOURCE.format("future predictor"), "unverified"),
    ("both", "none"): Figure(344.9, _SOURCE.format("composite"), "unverified"),
    ("future", "future"): Figure(343.5, _SOURCE.format("conditional future"), "unverified"),
    ("both", "future"): Figure(
        341.2, _SOURCE.format("composite, conditional future"), "unverified"),
    ("both", "both"): Figure(
        345.5, "mansimov/unsupervised-videos as run by udibr, step 17,700", "paper"),
}  # fmt: skip


def published(config: Config) -> dict[str, Figure]:
    """The paper's figure for this net, if the films and sizes are the paper's."""
    names = ("dataset", "field", "number", "frames", "hidden", "peepholes")
    same = same_options(config, _PAPER, names)
    figure = PAPER.get((config.tells, config.conditional)) if same else None
    return {"test_future_nats_per_frame": figure} if figure else {}


def make_model(config: Config) -> Composite:
    """The net that the options describe; raises UserError if it lacks a conditional decoder."""
    decoders = (PAST, FUTURE) if config.tells == "both" else (config.tells,)
    conditional = {"both": decoders, "none": ()}.get(config.conditional, (config.conditional,))
    if not {*conditional} <= {*decoders}:
        raise UserError(
            f"--conditional={config.conditional}: --tells={config.tells} has no such decoder; "
            "give --conditional=none, or --tells=both."
        )
    cell = LSTM(config.hidden, config.peepholes, config.forget_bias)
    return Composite(cell, config.field**2, decoders, conditional)


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam, or momentum as in the published configuration."""
    rate = optax.exponential_decay(config.learning_rate, 10_000, config.decay, staircase=True)
    if config.optimizer == "adam":
        rate = optax.cosine_decay_schedule(config.learning_rate, config.num_steps)
    rule = optax.adam(rate) if config.optimizer == "adam" else optax.sgd(rate, momentum=0.9)
    return optax.chain(optax.add_decayed_weights(config.l2), rule)


def target_frames(films, name: str):
    """The frames of films [2 T, B, P] that a decoder is trained on: [T, B, P]."""
    half = len(films) // 2
    return films[half - 1 :: -1] if name == PAST else films[half:]


def time_first(films):
    """Films [B, 2 T, height, width] as time-major vectors [2 T, B, P]."""
    films = jnp.swapaxes(films, 0, 1)
    return films.reshape(*films.shape[:2], -1)


def nats_of(logits, frames):
    """The cross-entropy of each image, [T, B]: nats, summed over pixels."""
    return optax.sigmoid_binary_cross_entropy(logits, frames).sum(-1)


def make_loss(model: Composite):
    """The sum of the decoders' cross-entropies, as `experiments.training.loop` expects it."""

    def loss(params, variables, carry, films, key):
        metrics = measured(model, params, films)
        return sum(x.total / x.count for x in metrics.values()), (variables, carry, metrics)

    return loss


def measured(model: Composite, params, films):
    """Each decoder's cross-entropy per frame on films [B, 2 T, height, width]."""
    films = time_first(films)
    half = len(films) // 2
    state = model.encode(params, films[:half])
    metrics = {}
    for name in model.decoders:
        nats = nats_of(model.decode(params, name, state, half), target_frames(films, name))
        metrics[f"{NAMES[name]}_nats_per_frame"] = Ratio(nats.sum(), jnp.float32(nats.size))
    return metrics


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/moving_digits/{config.preset}")
    model = make_model(config)
    digits = (
        mnist_digits(config.data_dir, config.raw_dir)
        if config.dataset == "mnist"
        else small_digits()
    )
    frames = 2 * config.frames

    def films(random, images, count):
        return sequences(random, images, count, frames, config.field, config.number)

    test = films(np.random.default_rng(TEST_SEED), digits.test, config.test_films)
    mesh, optimizer = mesh_for(config.batch_size), make_optimizer(config)
    params = call_once(model.init, jax.random.key(config.seed))
    key = jax.random.key(config.seed)
    step = make_step(make_loss(model), optimizer, key, dtype=config.dtype)
    measure = jax.jit(lambda params, cut: measured(model, params, cut))
    cuts = [test[at : at + TEST_BATCH] for at in range(0, len(test), TEST_BATCH)]

    def generate(random):
        return films(random, digits.train, config.batch_size)

    def evaluated(state, watch):
        params, batches = local_copy(state.params), watch(cuts, "test")
        return {"test": evaluate(lambda cut: measure(params, cut), batches).means()}

    def figures(means):
        return {name: mean for name, mean in means.items() if name.endswith("per_frame")}

    trained = train(config, workdir, placed(mesh, init_state(params, optimizer)), step,
                    generated_batches(config, generate, mesh), evaluated, figures,
                    data=f"{config.dataset}, films of {len(digits.train):,} digits for training "
                         f"and {len(test):,} films for testing",
                    unit="frames", units_in_a_step=config.batch_size * frames)  # fmt: skip
    result = finish("moving_digits", config, trained, workdir=workdir,
                    metrics=floors(test, config.frames), paper=published(config))  # fmt: skip
    moving_digits_report.write(config, workdir, trained, result, model, test)
    return result


def floors(test: np.ndarray, half: int) -> dict[str, float]:
    """The future's cross-entropy without a net: under the mean frame, and the lowest possible.

    A pixel between black and white has an entropy of its own, which no net can fall below.
    """
    future = test[:, half:].reshape(-1, test[0, 0].size).astype(np.float64)

    def nats(p):
        p = np.clip(p, 1e-7, 1 - 1e-7)
        return float(-(future * np.log(p) + (1 - future) * np.log(1 - p)).sum(1).mean())

    return {"test_future_nats_per_frame_of_the_mean_frame": nats(future.mean(0)),
            "test_future_nats_per_frame_at_best": nats(future)}  # fmt: skip


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from frames to the logits of the past, backwards, and of the future."""
    config = saved.config(Config)
    model = make_model(config)

    def forward(params, inputs):
        frames = jnp.swapaxes(inputs["frames"], 0, 1)
        state = model.encode(params, frames)
        return {name: jnp.swapaxes(model.decode(params, name, state, frames.shape[0]), 0, 1)
                for name in model.decoders}  # fmt: skip

    return Form(
        forward, saved.parameters(jax.eval_shape(model.init, KEY)),
        {"frames": Size(FLOATS, f"batch, time, {model.pixels}")},
        {"field": config.field, "note": "a frame is `field` rows of `field` pixels from 0 to 1; "
         "`past` is decoded from the last frame to the first"},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(PRESETS, run))
