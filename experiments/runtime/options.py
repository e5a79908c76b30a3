"""The options that all experiments share, and how values are validated.

An experiment's options are a frozen dataclass that extends `Shared`; each field is made by
`option`, which keeps its help text and its limits with its default.
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
    path: bool = False,
) -> Any:
    """A field of a configuration.

    Args:
      default: the value of the `quick` preset; its type is the option's type.
      help: what it means, for `--help` and the report.
      least, most: the inclusive limits of a number.
      choices: the allowed values of a word; empty means any.
      identity: whether it is part of the run's identity: a checkpoint is only resumed by a run
        with the same value.
      path: whether the command line expands ~ in it; what only `data` reads is expanded there.
    """
    metadata = dict(
        help=help, least=least, most=most, choices=choices, identity=identity, path=path
    )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shared:
    """Options of every experiment."""

    heading = "Every experiment"  # in --help; a class that extends this one has its own

    preset: str = option("quick", "named set of values to start from")
    workdir: str = option(
        "", "run folder; an existing run resumes there; default: runs/<experiment>/<preset>",
        identity=False, path=True,
    )
    dataset: str = option("", "name of a data set, or path to your own files")
    data_dir: str = option("", "folder of prepared data; default: the one TFDS uses",
                           identity=False)
    raw_dir: str = option(
        "", "folder of raw files, <raw_dir>/<dataset>/<file>, used instead of downloading",
        identity=False,
    )
    seed: int = option(0, "seed of the first parameters, the order of the data and all noise",
                       least=0, most=2**31 - 1)
    dtype: str = option(
        "float32", "type of the operands of matrix products; sums and parameters stay float32",
        choices=("float32", "bfloat16"),
    )
    deterministic: bool = option(
        False, "make runs on a GPU reproducible to the last bit; those on a CPU always are"
    )
    num_steps: int = option(1000, "training steps", least=1, most=2**31 - 1)
    batch_size: int = option(1, "examples in a batch, over all devices", least=1, most=65_536)
    learning_rate: float = option(0.1, "initial learning rate", least=0.0)
    eval_every: int = option(100, "steps between evaluations", least=1, identity=False)
    checkpoint_every: int = option(100, "steps between checkpoints", least=1, identity=False)
    steps_per_call: int = option(
        10, "training steps in one device call", least=1, most=100_000, identity=False
    )
    num_cpu_devices: int = option(
        1, "devices to split the CPU into, which share each batch", least=1, most=1024,
        identity=False,
    )
    distributed: str = option(
        "auto", "run as one of several processes: on, off, or auto: on if SLURM, a TPU pod or "
        "Open MPI started several", choices=("auto", "on", "off"), identity=False,
    )
    coordinator: str = option("", "HOST:PORT of process 0", identity=False)
    num_processes: int = option(0, "number of processes; 0: JAX finds it", least=0,
                                identity=False)
    process_id: int = option(-1, "index of this process; -1: JAX finds it", least=-1,
                             identity=False)


def whole_numbers(flag: str, text: str, advice: str, most: int = 65_536) -> tuple[int, ...]:
    """The whole numbers from 1 to `most` in a flag's value, such as `300,100`; empty for ''.

    Raises:
      UserError: it holds something else; the sentence ends with `advice`.
    """
    try:
        found = tuple(map(int, text.split(","))) if text else ()
    except ValueError:
        found = (0,)
    if not all(1 <= n <= most for n in found):
        raise UserError(f"--{flag}={text}: {advice}.")
    return found


def check(config: Any) -> None:
    """Raises UserError for the first field whose value is outside its limits."""
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
        if isinstance(value, str) and not value.strip() and field.default:
            raise UserError(f"{flag}: give a value, or leave the flag out.")


def identity(config: Shared) -> dict[str, Any]:
    """The values that determine a run's figures: two runs with the same ones are the same run."""
    names = [f.name for f in dataclasses.fields(config) if f.metadata["identity"]]
    return {name: getattr(config, name) for name in names}
