"""A net gives back its input through a narrow code. | Hinton and Salakhutdinov 2006

    ./launch.sh autoencoder                       Mitchell's 8-3-8, 100 copies at once
    ./launch.sh autoencoder --preset=digits       scikit-learn's digits as points of a plane
    ./launch.sh autoencoder --preset=denoising    filters of plain and denoising nets
    ./launch.sh autoencoder --preset=adam         784-1000-500-250-30 on MNIST from scratch
    ./launch.sh autoencoder --preset=hinton       the same, pre-trained as Boltzmann machines
    ./launch.sh autoencoder encode --workdir=runs/autoencoder/digits --pictures=./mine

8-3-8 is that of Mitchell's Machine Learning (1997), section 4.6.4: logistic units, weights and
biases from U(-0.1, 0.1), one example at a time at the rate 0.3, without momentum, 5,000 passes.
Its copies see the eight examples in one order, drawn anew for each pass.

The deep net's figure is the squared error of a test image, pixels from 0 to 1, summed over the
pixels. Beside it stand PCA's and logistic PCA's with as many numbers. The paper fine-tunes by
conjugate gradients on batches of 1,000; `hinton` does so by Adam on batches of 100, at a rate that
falls along a cosine. Its units and its pre-training are the paper's: logistic units with a linear
code, CD-1 for 50 passes a layer, momentum 0.5 and after five passes 0.9, rate 0.1 (0.001 for the
code), weight cost 0.0002. `adam` has the paper's sizes, but rectified units.
"""

import dataclasses
import sys

import jax

from data import image_sets
from data.errors import UserError
from data.images import ImageSets, hold_out
from experiments.images import autoencoder_report, identity, identity_report
from experiments.images.encode import DEFAULT, encode
from experiments.images.linear_codes import linear_codes, squared_error
from experiments.images.pretraining import pretrained
from experiments.images.reconstruction import (
    make_evaluate,
    make_loss,
    make_model,
    make_optimizer,
    pixels,
    to_figures,
)
from experiments.reports.result import Figure, finish, same_options
from experiments.runtime.command_line import main
from experiments.runtime.mesh import mesh_for, placed
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.runtime.xla import call_once
from experiments.training.batches import drawn_batches
from experiments.training.export_form import KEY, Form, Size
from experiments.training.kept import KeepOptions, lowest
from experiments.training.loop import init_state, make_step
from experiments.training.optimizer import ScheduleOptions
from experiments.training.run import train
from experiments.training.trained_net import SavedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ScheduleOptions, KeepOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option(
        "identity", "identity (each of a few inputs is 1 in turn), digits (embedded), mnist, or "
        "your own folder: IDX files or one folder per class",
    )  # fmt: skip
    inputs: int = option(8, "identity: inputs, and so examples", least=2, most=1024)
    copies: int = option(100, "identity: nets trained at once, each from first weights of its own",
                         least=1, most=10_000)
    init_scale: float = option(0.1, "identity: limit of the first weights and biases", least=0.0)
    hidden: str = option("3", "units from the first hidden layer to the code: 1000,500,250,30")
    unit: str = option("logistic", "hidden units", choices=("logistic", "tanh", "relu"))
    code: str = option("logistic", "units of the code", choices=("logistic", "linear"))
    loss: str = option("squared", "half the squared error, or cross_entropy",
                       choices=("squared", "cross_entropy"))
    corruption: str = option("none", "of the input alone: none, masking (to 0), salt_and_pepper",
                             choices=("none", "masking", "salt_and_pepper"))
    corrupted: float = option(0.25, "share of the pixels that are corrupted", least=0.0, most=1.0)
    beside: str = option("", "other shares, such as 0,0.5: a net is trained for each, and its "
                         "filters are shown beside", identity=False)
    pretraining: str = option("none", "layer by layer: none, rbm (CD-1), or denoising",
                              choices=("none", "rbm", "denoising"))
    pretraining_passes: int = option(50, "passes for each layer", least=1, most=100_000)
    rbm_rate: float = option(0.1, "rbm: learning rate of a layer of logistic units", least=0.0)
    code_rate: float = option(0.001, "rbm: learning rate of a layer of linear units", least=0.0)
    optimizer: str = option("sgd", "sgd or adam", choices=("sgd", "adam"))
    momentum: float = option(0.0, "sgd: momentum", least=0.0, most=0.9999)
    schedule: str = option("constant", "of the learning rate: constant or cosine",
                           choices=("constant", "cosine"))
    valid_size: int = option(0, "training images, from the end, held out for validation", least=0)
    num_steps: int = option(40_000, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(1, "examples in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(0.3, "initial learning rate", least=0.0)
    eval_every: int = option(400, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(8000, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(400, "training steps in one device call", least=1,
                                 most=100_000, identity=False)


_IMAGES = Config(
    loss="cross_entropy", code="linear", optimizer="adam", schedule="cosine", learning_rate=1e-3,
    batch_size=100, steps_per_call=30,
)  # fmt: skip
_PASS = 600  # steps of 100 of MNIST's images
_ADAM = dataclasses.replace(
    _IMAGES, preset="adam", dataset="mnist", hidden="1000,500,250,30", unit="relu",
    num_steps=40 * _PASS, eval_every=_PASS, checkpoint_every=4 * _PASS,
)  # fmt: skip
PRESETS = {
    "quick": Config(),
    "digits": dataclasses.replace(
        _IMAGES, preset="digits", dataset="digits", hidden="250,100,2", num_steps=3000,
        batch_size=50, learning_rate=3e-3, eval_every=250, checkpoint_every=1000,
    ),
    "denoising": dataclasses.replace(
        _IMAGES, preset="denoising", dataset="digits", hidden="400", code="logistic",
        corruption="masking", corrupted=0.25, beside="0,0.5", num_steps=2000, batch_size=50,
        learning_rate=3e-3, eval_every=500, checkpoint_every=1000,
    ),
    "adam": _ADAM,
    "hinton": dataclasses.replace(_ADAM, preset="hinton", unit="logistic", pretraining="rbm"),
}  # fmt: skip

_SOURCE = "Hinton and Salakhutdinov 2006, Fig. 2, MNIST, 30 numbers"
PAPER = {
    "test_squared_error": Figure(3.00, _SOURCE, "quoted"),
    "test_squared_error_of_logistic_pca": Figure(8.01, _SOURCE, "quoted"),
    "test_squared_error_of_pca": Figure(13.87, _SOURCE, "quoted"),
}


def published(config: Config) -> dict[str, Figure]:
    """The paper's figures, if net and data are the paper's."""
    same = same_options(config, PRESETS["hinton"], ("dataset", "hidden"))
    return PAPER if same else {}


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    workdir = Workdir(config.workdir or f"runs/autoencoder/{config.preset}")
    if config.dataset == "identity":
        return run_identity(config, workdir)
    sets = image_sets.load(config.dataset, config.data_dir, config.raw_dir, ("identity",))
    others = shares(config)  # refused before an hour of training and not after it
    trained, model = train_on_images(config, workdir, sets)
    beside = {share: train_beside(config, workdir, sets, share) for share in others}
    train_set, _ = hold_out(sets, config.valid_size)
    test = pixels(sets.test.images)
    linear = linear_codes(pixels(train_set.images), test, model.sizes[-1], config.seed)
    metrics = {f"test_squared_error_of_{name}": squared_error(reconstructed, test)
               for name, reconstructed in linear.items()}  # fmt: skip
    result = finish("autoencoder", config, trained, workdir=workdir, metrics=metrics,
                    paper=published(config))  # fmt: skip
    autoencoder_report.write(config, workdir, trained, result, model, sets, linear, beside)
    return result


def train_on_images(config: Config, workdir: Workdir, sets: ImageSets):
    """A finished run on images, and its net."""
    train_set, valid_set = hold_out(sets, config.valid_size)
    mesh, model = mesh_for(config.batch_size), make_model(config)
    key_params, key_layers, key_steps = jax.random.split(jax.random.key(config.seed), 3)
    if config.pretraining == "none":
        params = call_once(model.init, key_params)
    else:
        params = pretrained(config, workdir, model, sets._replace(train=train_set), key_layers)
    optimizer = make_optimizer(config)
    step = make_step(make_loss(config, model), optimizer, key_steps, dtype=config.dtype)
    splits = {"test": sets.test} | ({"valid": valid_set} if config.valid_size else {})
    trained = train(
        config, workdir, placed(mesh, init_state(params, optimizer)), step,
        drawn_batches(config, train_set, mesh), make_evaluate(model, splits, mesh), to_figures,
        offer=lowest("squared_error"), unit="images",
        data=f"{config.dataset}, {len(train_set.labels):,} images for training and "
             f"{len(sets.test.labels):,} for testing",
    )  # fmt: skip
    return trained, model


def shares(config: Config) -> list[float]:
    """The numbers of `--beside`; raises UserError."""
    try:
        found = [float(word) for word in config.beside.split(",") if word]
    except ValueError:
        found = [-1.0]
    if any(not 0 <= share <= 1 for share in found):
        raise UserError(f"--beside={config.beside}: give shares from 0 to 1, such as 0,0.5.")
    if found and config.corruption == "none":
        raise UserError("--beside compares shares of corrupted pixels: give --corruption, too.")
    return found


def train_beside(config: Config, workdir: Workdir, sets: ImageSets, share: float):
    """The parameters of a net that is the same but for the share of corrupted pixels."""
    other = dataclasses.replace(config, corrupted=share, beside="")
    trained, _ = train_on_images(other, Workdir(f"{workdir.path}/beside/{share:g}"), sets)
    return trained.net.params


def run_identity(config: Config, workdir: Workdir) -> dict:
    """Copies of a net learn to give back the input that is 1; raises UserError."""
    for name in ("corruption", "beside", "pretraining", "valid_size"):
        if getattr(config, name) != getattr(PRESETS["quick"], name):
            raise UserError(f"--{name} is for images: give --dataset=digits, or --preset=digits.")
    model, mesh = make_model(config), mesh_for(config.batch_size)
    key_params, key_steps = jax.random.split(jax.random.key(config.seed))
    params = identity.first_copies(config, model, key_params)
    optimizer = make_optimizer(config)
    step = make_step(identity.make_loss(config, model), optimizer, key_steps, dtype=config.dtype)
    evaluated = identity.make_evaluate(config, model, workdir)
    trained = train(
        config, workdir, placed(mesh, init_state(params, optimizer)), step,
        drawn_batches(config, identity.examples(config), mesh), evaluated, lambda means: {},
        data=f"{config.inputs} examples, {config.copies} copies of the net",
    )  # fmt: skip
    one = jax.tree.map(lambda leaf: leaf[0], trained.net.params)
    result = finish("autoencoder", config, trained, workdir=workdir, metrics={}, paper={},
                    params=one)  # fmt: skip
    identity_report.write(config, workdir, trained, result, model)
    return result


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from images, or inputs, to codes and reconstructions."""
    config = saved.config(Config)
    model = make_model(config)
    like = jax.eval_shape(model.init, KEY)
    if config.dataset == "identity":
        return identity.export_form(saved, config, model, like)

    def forward(params, inputs):
        codes = model.encode(params, pixels(inputs["images"]))
        return {"codes": codes, "images": jax.nn.sigmoid(model.decode(params, codes)).reshape(
            -1, 28, 28)}  # fmt: skip

    return Form(
        forward, saved.parameters(like), {"images": Size("uint8", "batch, 28, 28")},
        {"note": "images that go in: 0 is background, 255 is full ink; those that come out, the "
         "reconstructions: from 0 to 1"},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(PRESETS, run, {"encode": (DEFAULT, encode)}))
