"""What the report of the moving digits shows: films, told again and told on."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from experiments.reports import drawing
from experiments.reports import page as report
from experiments.reports.page import Picture, Section
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from nets.video import FUTURE, PAST, Composite

SHOWN = 6  # films
MOMENT = 250  # milliseconds that a frame is shown


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, model: Composite,
    test: np.ndarray,
) -> None:  # fmt: skip
    """Writes report.html; `test` are films [N, 2 T, height, width]."""
    params = jax.tree.map(jnp.asarray, trained.state.params)
    names = {
        f"{name}_nats_per_frame": f"{name} (nats per frame)"
        for name in ("reconstruction", "future")
    }
    sections = [
        report.results_section(result),
        *report.configuration_sections(config, workdir),
        report.parameters_section(params, ("encoder", *model.decoders), {}, ""),
        report.curves_section(trained.metrics.rows, names, config.batch_size / 1000,
                              x="thousand films"),  # fmt: skip
        films(model, params, test[:SHOWN]),
    ]
    summary = (
        f"{config.number} digits of {config.dataset} in a field of {config.field}x{config.field}; "
        f"{config.frames} frames read and told; LSTMs of {config.hidden}, "
        f"{result['parameters']:,} parameters, {config.num_steps:,} steps of {config.batch_size}."
    )
    report.write(workdir.report, f"Moving digits, preset {config.preset}", summary, sections)


def films(model: Composite, params, test: np.ndarray) -> Section:
    """Films beside what the net makes of them, moving and frame by frame."""
    told = telling(model, params, test)
    pairs = np.stack([test, told])  # [2, N, 2 T, height, width]
    moving = drawing.film(
        "Films above, what the net tells below", np.concatenate(pairs).swapaxes(0, 1), 0, 1,
        columns=len(test), milliseconds=MOMENT,
    )  # fmt: skip
    half = test.shape[1] // 2
    pictures = [
        Picture(moving, f"Above the films; below what the net tells: for the first {half} frames "
                "the reconstruction, then the prediction."),
    ]  # fmt: skip
    for n, (film, tale) in enumerate(zip(test, told, strict=True)):
        frames = drawing.tiles(f"Film {n + 1} by frame", np.concatenate([film, tale]), 0, 1,
                               columns=2 * half, side=40)  # fmt: skip
        pictures.append(Picture(frames, f"Film {n + 1}: {half} frames read and {half} to come; "
                                "below them the net's."))  # fmt: skip
    text = ("The first films of the test; a conditional decoder reads its own frames.",)
    return Section("Films", text, pictures=pictures)


def telling(model: Composite, params, test: np.ndarray) -> np.ndarray:
    """The net's frames in the order of time, of the past and of the future: as `test`.

    What the net does not tell is 0.
    """
    half = test.shape[1] // 2

    @jax.jit
    def tell(params, read):
        carry = model.encode(params, read)
        logits = {name: model.decode(params, name, carry, half) for name in model.decoders}
        return jax.tree.map(jax.nn.sigmoid, logits)

    found = jax.device_get(tell(params, test[:, :half].swapaxes(0, 1).reshape(half, len(test), -1)))
    nothing = np.zeros((half, len(test), model.pixels), np.float32)
    both = [found.get(PAST, nothing)[::-1], found.get(FUTURE, nothing)]
    return np.concatenate(both).swapaxes(0, 1).reshape(test.shape)
