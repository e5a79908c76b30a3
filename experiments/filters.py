"""Filters learned from natural images. | Olshausen and Field 1996

    ./launch.sh filters                       sparse coding of two photographs, under a minute
    ./launch.sh filters --preset=olshausen    the authors' ten images, 192 functions of 16x16 pixels
    ./launch.sh filters --preset=s3c          spike-and-slab sparse coding, Goodfellow et al. 2012
    ./launch.sh filters --preset=maxout       the first layer of a convolutional maxout net
    ./launch.sh filters --dataset=./pictures  your own photographs

Bengio, Goodfellow and Courville draw filters of the last two in Fig. 9.19. Here filters are scored
as well: a Gabor function is fitted to each, and to the principal components of the patches and to
noise, which are the controls.

Where this differs from Olshausen and Field: the penalty is |a| instead of log(1 + a^2), and the
coefficients are those of FISTA instead of conjugate gradients, so that most are exactly 0. The
price is that a function whose norm has shrunk is used no more and does not come back, which
the smooth penalty avoids: `--gain_limit` keeps norms within that factor of 1, and most end at one
limit or the other. S3C's precisions are clipped, as the authors' are, but at limits of our own:
with less noise, codes are less sparse and fewer functions are Gabor functions.
The maxout preset is a smaller net than the paper's, trained by Adam, for the CPU; `maxout-paper`
has the paper's sizes and rule, but a constant momentum, and has not been run to its end.
"""

import dataclasses
import sys

import jax

from data import natural_images
from experiments.images import filters_report, maxout, patches
from experiments.images.filter_scores import patch_scores
from experiments.reports.result import finish
from experiments.runtime.command_line import main
from experiments.runtime.mesh import on_first_device
from experiments.runtime.options import option
from experiments.runtime.workdir import Workdir
from experiments.training.export_form import FLOATS, KEY, Form, Size
from experiments.training.optimizer import ScheduleOptions
from experiments.training.run import train
from experiments.training.trained_net import SavedRun


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ScheduleOptions):
    """What a run of this experiment is; the defaults are the `quick` preset."""

    dataset: str = option(
        "photographs", "photographs (embedded), olshausen_images, or your own folder of pictures; "
        "for --model=maxout: cifar10_subset"
    )  # fmt: skip
    model: str = option("sparse_coding", "sparse_coding, s3c (spike and slab) or maxout",
                        choices=("sparse_coding", "s3c", "maxout"))
    side: int = option(12, "pixels of a patch's side", least=4, most=64)
    functions: int = option(100, "basis functions", least=1, most=65_536)
    penalty: float = option(0.15, "sparse_coding: weight of |a| (lambda)", least=1e-6)
    iterations: int = option(40, "steps of the inference of a patch's coefficients", least=1,
                             most=10_000)
    variance_goal: float = option(0.05, "sparse_coding: variance of coefficients that the gain "
                                  "control aims at", least=1e-9)
    variance_rate: float = option(0.01, "sparse_coding: a batch's weight in the running variance",
                                  least=0.0, most=1.0)
    gain_power: float = option(0.02, "sparse_coding: alpha of the gain control; 0: norms stay 1",
                               least=0.0, most=1.0)
    gain_limit: float = option(1.4, "sparse_coding: factor by which norms may differ from 1",
                               least=1.0)
    spike_bias: float = option(-3.0, "s3c: first b, of all functions")
    slab_precision: float = option(1.0, "s3c: first alpha", least=0.1, most=40.0)
    noise_precision: float = option(10.0, "s3c: first beta", least=0.1, most=40.0)
    maps: str = option("32", "maxout: maps of the convolutional layers, up to three")
    units: int = option(100, "maxout: units of the layer before the softmax", least=1, most=65_536)
    first_weights: float = option(0.005, "maxout: first weights lie between minus and plus this",
                                  least=1e-9)
    optimizer: str = option("adam", "maxout: adam, or sgd with momentum as in the paper",
                            choices=("adam", "sgd"))
    learning_rate: float = option(3.0, "initial learning rate (eta)", least=0.0)
    num_steps: int = option(2500, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(100, "patches or images in a batch, over all devices", least=1,
                             most=65_536)
    eval_every: int = option(500, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(500, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(50, "training steps in one device call", least=1,
                                 most=100_000, identity=False)


PRESETS = {
    "quick": Config(),
    "olshausen": Config(
        preset="olshausen", dataset="olshausen_images", side=16, functions=192, num_steps=10_000,
        eval_every=1000, checkpoint_every=1000,
    ),
    "s3c": Config(
        preset="s3c", model="s3c", learning_rate=0.01, num_steps=4000, eval_every=500,
    ),
    "maxout": Config(
        preset="maxout", model="maxout", dataset="cifar10_subset", learning_rate=1e-3,
        first_weights=0.05, batch_size=128, num_steps=20 * 63, eval_every=63,
        checkpoint_every=63, steps_per_call=3,
    ),
    "maxout-paper": Config(
        preset="maxout-paper", model="maxout", dataset="cifar10_subset", maps="96,192,192",
        units=500, optimizer="sgd", learning_rate=0.17, batch_size=128, num_steps=785 * 63,
        eval_every=630, checkpoint_every=630, steps_per_call=63,
    ),
}  # fmt: skip


def run(config: Config) -> dict:
    """Trains, evaluates and reports; returns what result.json holds."""
    return (run_maxout if config.model == "maxout" else run_patches)(config)


def run_patches(config: Config) -> dict:
    """Learns functions whose sums are image patches."""
    workdir = Workdir(config.workdir or f"runs/filters/{config.preset}")
    images = natural_images.load(config.dataset, config.raw_dir or None)
    coder = patches.make_coder(config)
    images = patches.checked_images(config, images)
    tested = patches.tested_patches(config, images)
    training = patches.make_training(config, coder, images, tested)
    trained = train(config, workdir, *training, unit="patches",
                    data=f"{config.dataset}, patches of {config.side}x{config.side} pixels from "
                         f"{len(images)} images")  # fmt: skip
    params = on_first_device(trained.net.params)
    scores = patch_scores(config, coder, params, tested)
    result = finish("filters", config, trained, workdir=workdir, paper={}, metrics=scores.figures)
    filters_report.write_patches(config, workdir, trained, result, scores, images, tested)
    return result


def run_maxout(config: Config) -> dict:
    """Trains a net on colour images, and looks at its first layer."""
    workdir = Workdir(config.workdir or f"runs/filters/{config.preset}")
    net = maxout.make_net(config)
    sets = maxout.load(config)
    training = maxout.make_training(config, net, sets)
    trained = train(config, workdir, *training, unit="images",
                    data=f"{config.dataset}, {len(sets.train.labels):,} images for training and "
                         f"{len(sets.test.labels):,} for testing")  # fmt: skip
    scores = maxout.kernel_scores(config, trained.net.params, sets.whitening)
    result = finish("filters", config, trained, workdir=workdir, paper={}, metrics=scores.figures)
    filters_report.write_maxout(config, workdir, trained, result, scores)
    return result


def export_form(saved: SavedRun, options) -> Form:
    """The exported form: from whitened patches to coefficients, or from images to logits."""
    config = saved.config(Config)
    if config.model == "maxout":
        return maxout.export_form(saved, config)
    coder = patches.make_coder(config)
    return Form(
        lambda params, inputs: {"coefficients": coder.codes(params, inputs["patches"])[0]},
        saved.parameters(jax.eval_shape(coder.init, KEY)),
        {"patches": Size(FLOATS, f"batch, {config.side**2}")},
        {"note": f"patches of {config.side}x{config.side} pixels, row by row, of whitened images "
         f"whose pixels have a variance of {natural_images.VARIANCE:g}"},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(PRESETS, run))
