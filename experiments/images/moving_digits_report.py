"""The report of the moving digits: test films, their reconstructions and their predictions."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section
from experiments.runtime.numbers import counted
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from nets.video import FUTURE, PAST, Composite

FILMS = 6  # shown
MILLISECONDS = 250  # per frame


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, model: Composite,
    test: np.ndarray,
) -> None:  # fmt: skip
    """Writes report.html; `test` holds films [N, 2 T, height, width]."""
    params = jax.tree.map(jnp.asarray, trained.net.params)
    labels = {
        f"{name}_nats_per_frame": f"{name} (nats per frame)"
        for name in ("reconstruction", "future")
    }
    sections = [
        page.result_section(result),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, ("encoder", *model.decoders), {}, ""),
        page.curves_section(trained.metrics.rows, labels, config.batch_size / 1000,
                              x="thousand films"),  # fmt: skip
        films(model, params, test[:FILMS]),
    ]
    summary = (
        f"{counted(config.number, 'moving digit')} (data {config.dataset}) in frames of "
        f"{config.field} × {config.field} pixels. The net reads {counted(config.frames, 'frame')}; "
        f"its LSTMs have {counted(config.hidden, 'unit')}, {result['parameters']:,} parameters in "
        f"all. Trained for {counted(result['steps'], 'step')} of "
        f"{counted(config.batch_size, 'film')}."
    )
    page.write(workdir.report, f"Moving digits, preset {config.preset}", summary, sections)


def films(model: Composite, params, test: np.ndarray) -> Section:
    """Films next to the frames that the net decodes, moving and frame by frame."""
    decoded = decode(model, params, test)
    pairs = np.concatenate([test, decoded])  # [2 N, 2 T, height, width]
    moving = drawing.film("Films above, decoded frames below", pairs.swapaxes(0, 1), 0, 1,
                          columns=len(test), milliseconds=MILLISECONDS)  # fmt: skip
    half = test.shape[1] // 2
    pictures = [Picture(moving, "Top: the films. Bottom: the decoded frames, the reconstruction "
                        f"for the first {half}, then the prediction.")]  # fmt: skip
    for n, (film, frames) in enumerate(zip(test, decoded, strict=True), 1):
        rows = drawing.tiles(f"Film {n} by frame", np.concatenate([film, frames]), 0, 1,
                             columns=2 * half, side=40)  # fmt: skip
        caption = (f"Film {n}: above, the {half} frames that the net reads and the {half} that "
                   "follow; below, what it decodes.")  # fmt: skip
        pictures.append(Picture(rows, caption))
    text = ("The first films of the test set. A conditional decoder reads its own previous frame.",)
    return Section("Films", text, pictures=pictures)


def decode(model: Composite, params, test: np.ndarray) -> np.ndarray:
    """The decoded frames, reconstruction before prediction, in order of time; shaped as `test`.

    If the net lacks a decoder, its frames are 0.
    """
    half = test.shape[1] // 2

    @jax.jit
    def decoders(params, frames):
        carry = model.encode(params, frames)
        logits = {name: model.decode(params, name, carry, half) for name in model.decoders}
        return jax.tree.map(jax.nn.sigmoid, logits)

    inputs = test[:, :half].swapaxes(0, 1).reshape(half, len(test), -1)
    decoded = jax.device_get(decoders(params, inputs))
    zeros = np.zeros((half, len(test), model.pixels), np.float32)
    frames = np.concatenate([decoded.get(PAST, zeros)[::-1], decoded.get(FUTURE, zeros)])
    return frames.swapaxes(0, 1).reshape(test.shape)
