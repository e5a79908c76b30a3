"""The options that all experiments share, and what makes a value acceptable.

An experiment's options are a frozen dataclass that extends `Shared`; each field is made by
`option`, which keeps its help text and its limits beside its default.
"""

import dataclasses
import math
from typing import Any

from data.errors import UserError


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    identity: bool = True,
) -> Any:
    """A field of a configuration.

    Args:
      default: the value of the `quick` preset; its type is the option's type.
      help: what it means, for `--help` and the report.
      least, most: the limits of a number, both allowed.
      choices: the values that a word may have; empty means any.
      identity: whether another value makes another run, so that a checkpoint does not fit.
    """
    metadata = dict(help=help, least=least, most=most, choices=choices, identity=identity)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shared:
    """Options of every experiment."""

    preset: str = option("quick", "the named set of values to start from")
    workdir: str = option(
        "", "where the run lives and resumes; default runs/<experiment>/<preset>", identity=False
    )
    dataset: str = option("", "a data set by name, or a path to your own files")
    data_dir: str = option("", "prepared data; default: TFDS's own folder", identity=False)
    raw_dir: str = option(
        "", "folder of raw files <raw_dir>/<dataset>/<file>, used instead of downloading",
        identity=False,
    )
    seed: int = option(0, "of parameters, order and noise", least=0, most=2**31 - 1)
    dtype: str = option(
        "float32", "of the operands of a training step's products; sums and parameters are float32",
        choices=("float32", "bfloat16"),
    )
    deterministic: bool = option(
        False, "the same bytes from every run on a GPU, as on a CPU anyway"
    )
    num_steps: int = option(1000, "updates of the parameters", least=1, most=2**31 - 1)
    batch_size: int = option(1, "examples in a step, over all devices", least=1, most=65_536)
    learning_rate: float = option(0.1, "first step size of the optimiser", least=0.0)
    eval_every: int = option(100, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(100, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(
        10, "steps that one call to the device makes", least=1, most=100_000, identity=False
    )
    num_cpu_devices: int = option(
        1, "devices that the processor passes for, to share a batch", least=1, most=1024,
        identity=False,
    )
    distributed: str = option(
        "auto", "several processes: on, off, or auto: if SLURM, a TPU pod or Open MPI has them",
        choices=("auto", "on", "off"), identity=False,
    )
    coordinator: str = option("", "HOST:PORT of process 0", identity=False)
    num_processes: int = option(0, "how many there are; 0: found by JAX", least=0, identity=False)
    process_id: int = option(-1, "the number of this one; -1: found by JAX", least=-1,
                             identity=False)


def check(config: Any) -> None:
    """Raises UserError, in one sentence, for the first field that is out of its limits."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        flag = f"--{field.name}={value}"
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{flag}: give a finite number.")
        if limits["least"] is not None and value < limits["least"]:
            raise UserError(f"{flag}: give {limits['least']} or more.")
        if limits["most"] is not None and value > limits["most"]:
            raise UserError(f"{flag}: give {limits['most']} or less.")
        if limits["choices"] and value not in limits["choices"]:
            raise UserError(f"{flag}: choose one of {', '.join(limits['choices'])}.")


def identity(config: Shared) -> dict[str, Any]:
    """The values that decide a run's figures: two runs that agree in them are the same run."""
    names = [f.name for f in dataclasses.fields(config) if f.metadata["identity"]]
    return {name: getattr(config, name) for name in names}
