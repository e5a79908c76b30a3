"""Checks the installation, the devices and the data, and says how to fix what is wrong.

    ./launch.sh doctor [--data_dir=FOLDER] [--raw_dir=FOLDER]

The exit status is 0 if all is well and 1 if something is wrong. It needs only the standard library,
so that it also works when the installation is broken or missing; JAX runs in a separate process.
"""

import configparser
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data.errors import UserError
from experiments.launch import main_of
from experiments.runtime import xla

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = "run ./launch.sh setup"
REINSTALL = "delete .venv and run ./launch.sh setup"
NEEDED_BYTES = 2**30  # of disk and of memory; with less a run is likely to fail
PROBE_SECONDS = 180


class Finding(NamedTuple):
    """A line of the report; something is wrong if it has a remedy."""

    topic: str
    text: str
    remedy: str = ""


def check_python() -> Iterator[Finding]:
    """Which Python is running, and whether .venv is complete."""
    new = sys.version_info >= (3, 11)
    yield Finding("python", f"{platform.python_version()}, {sys.executable}",
                  "" if new else "install Python 3.11 or newer")  # fmt: skip
    stamp = ROOT / ".venv" / "unfold-stamp"
    if pathlib.Path(sys.prefix) != ROOT / ".venv":
        yield Finding(".venv", "is missing, or its Python does not run", SETUP)
    elif stamp.exists() and stamp.read_text().startswith("incomplete"):
        yield Finding(".venv", "its installation was interrupted", SETUP)


def requirements() -> dict[str, str]:
    """Name -> minimum version, of every package that setup.cfg requires for experiments."""
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = options["options"]["install_requires"], options["options.extras_require"]["experiments"]
    lines = "\n".join(asked).split("\n")
    pairs = (line.split(">=") for line in lines if line)
    return {name: (least or [""])[0] for name, *least in pairs}


def check_packages(required: Mapping[str, str]) -> Iterator[Finding]:
    """The installed versions, and the packages that are missing or too old."""
    found = {name: installed(name) for name in ("jaxlib", *required)}
    shown = {"jax": found.get("jax"), **found}
    yield Finding("packages", ", ".join(f"{n} {v}" for n, v in shown.items() if v) or "none")
    missing = [name for name, version in found.items() if not version]
    if missing:
        yield Finding("packages", f"not installed: {', '.join(missing)}",
                      SETUP if len(missing) == len(found) else REINSTALL)  # fmt: skip
    for name, least in required.items():
        if found[name] and version_numbers(found[name]) < version_numbers(least):
            yield Finding("packages", f"{name} {found[name]} is older than {least}", REINSTALL)


def installed(name: str) -> str | None:
    """A package's version; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_numbers(version: str) -> list[int]:
    """`0.12.0` as [0, 12, 0], for comparison."""
    return [int(n) for n in re.findall(r"\d+", version)[:3]]


def run_probe() -> tuple[dict | None, str]:
    """What `probe` found (None if it failed), and the last line it printed or why it failed."""
    command = [sys.executable, "-P", "-m", "experiments.launch.probe"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer in {PROBE_SECONDS} seconds"
    last = (done.stderr.strip().splitlines() or [""])[-1][:200]
    if done.returncode < 0:
        return None, f"killed by {signal.Signals(-done.returncode).name}"
    if done.returncode:
        return None, last
    return json.loads(done.stdout.splitlines()[-1]), last


def check_jax(found: dict | None, last: str) -> Iterator[Finding]:
    """Whether JAX starts, on which devices, and whether it computes correctly."""
    if found is None:
        yield Finding("jax", f"does not start: {last}", REINSTALL)
        return
    if found["import_error"]:
        yield Finding("packages", f"incompatible: {found['import_error']}", REINSTALL)
    kinds = found["devices"]
    shown = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    yield Finding("devices", f"{found['platform']}: {shown}; {os.cpu_count()} CPU cores")
    if not found["product"]:
        yield Finding("devices", "multiplying matrices of ones gives a wrong product",
                      "use the CPU (JAX_PLATFORMS=cpu), and have the device checked")
    jaxlib = f"jaxlib {xla.jaxlib_version()}"
    if not found["reductions"]:
        yield Finding("reductions", f"are wrong with {jaxlib}, XLA_FLAGS="
                      f"{os.environ.get('XLA_FLAGS', '')!r}",
                      f"unset XLA_FLAGS, or add {xla.FLAG}= to it")  # fmt: skip
    elif xla.jaxlib_version() in xla.FAULTY:
        yield Finding("reductions", f"are correct: {jaxlib} miscompiles some on a CPU, which the "
                      "project's XLA_FLAGS avoid")  # fmt: skip
    else:
        yield Finding("reductions", f"are correct with {jaxlib}")


def driver() -> int | None:
    """The CUDA version that the NVIDIA driver supports; None without a driver."""
    try:
        done = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"CUDA[A-Za-z ]*Version: *(\d+)", done.stdout)
    return int(version[1]) if version else None


def check_gpu(cuda: int | None, found: dict | None, last: str) -> Iterator[Finding]:
    """Whether JAX uses the GPU, if there is one."""
    if cuda is None or found is None or found["platform"] in ("gpu", "cuda"):
        return
    text = f"its driver is installed (CUDA {cuda}), but JAX runs on {found['platform']}"
    extra = f"cuda{min(cuda, 13)}"
    if cuda < 12:
        remedy = "update the driver: JAX needs one that supports CUDA 12"
    elif os.environ.get("JAX_PLATFORMS"):
        remedy = f"unset JAX_PLATFORMS, which is {os.environ['JAX_PLATFORMS']}"
    elif installed(f"jax-{extra}-plugin"):
        text += f" although its CUDA plug-in is installed ({last or 'no reason given'})"
        remedy = "check with nvidia-smi whether another program uses the GPU; if not, " + REINSTALL
    else:
        text += ": this jaxlib is for CPUs, without the CUDA plug-in"
        remedy = f"run UNFOLD_EXTRAS={extra} ./launch.sh setup"
    yield Finding("gpu", text, remedy)


def check_data(data_dir: str, raw_dir: str) -> Iterator[Finding]:
    """Which data sets the folders contain, and whether their files are the published ones."""
    try:
        from data.published import DATASETS, holdings
        from data.raw import chosen_raw_dir, download_folder
    except Exception as error:  # whatever a broken package raises
        yield Finding("data", f"cannot be checked ({error})", REINSTALL)
        return
    downloads, raw = download_folder(data_dir), chosen_raw_dir(raw_dir)
    folders = {"raw_dir": raw} if raw else {"data_dir": downloads}
    if raw and not raw.is_dir():
        yield Finding("raw_dir", f"{raw} is not a folder",
                      "give another with --raw_dir or UNFOLD_RAW_DIR")  # fmt: skip
        folders = {}
    for topic, folder in folders.items():
        found = holdings(folder)
        complete = [name for name, held in found.items() if held.sound == held.files]
        absent = [
            f"{name} ({sum(file.size for file in files) / 1e6:.1f} MB)"
            for name, files in DATASETS.items()
            if name not in found
        ]
        yield Finding(topic, f"{folder}: complete and verified: {', '.join(complete) or 'nothing'}")
        for name, held in found.items():
            for fault in held.faults:
                yield Finding(topic, fault, "delete it, or replace it with the published file")
            if held.sound + len(held.faults) < held.files:
                yield Finding(topic, f"{name}: {held.sound} of {held.files} files are present")
        if absent:
            when = " without a raw folder" if topic == "raw_dir" else ""
            yield Finding(topic, "not present (no default needs them; each is downloaded when it "
                          f"is named{when}): {', '.join(absent)}")  # fmt: skip
    yield from check_prepared(downloads.parent, data_dir)


def check_prepared(root: pathlib.Path, data_dir: str) -> Iterator[Finding]:
    """Whether the prepared data are readable and the folder is writable."""
    if (root / "unfold_mnist").exists():
        from data import mnist, mnist_builder

        try:
            mnist_builder.opened(data_dir or None, mnist.sums())
            yield Finding("data_dir", f"{root}: prepared: mnist")
        except UserError as error:
            yield Finding("data_dir", str(error), f"delete {root / 'unfold_mnist'}")
    near = next(path for path in (root, *root.absolute().parents) if path.exists())
    if not os.access(near, os.W_OK):
        yield Finding("data_dir", f"{root} cannot be written to", "choose another --data_dir")


def check_space(disk: int, memory: int | None) -> Iterator[Finding]:
    """Whether enough bytes are free on the current folder's disk and in memory."""
    for topic, free, remedy in (
        ("disk", disk, f"free some space, or give a --workdir that is not on the disk of "
         f"{pathlib.Path.cwd()}"),
        ("memory", memory, "close other programs, or lower --batch_size"),
    ):  # fmt: skip
        if free is not None:
            text = f"{free / 2**30:.1f} GiB free"
            yield Finding(topic, text, remedy if free < NEEDED_BYTES else "")


def free_memory() -> int | None:
    """The free memory in bytes, of the machine or the container if less; None if unknown."""
    left = []
    try:
        text = pathlib.Path("/proc/meminfo").read_text()
        left.append(1024 * int(re.search(r"MemAvailable: *(\d+)", text)[1]))
        group = pathlib.Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text()
        left.append(int(most) - int((group / "memory.current").read_text()))
    except (OSError, TypeError, ValueError):  # not Linux, or no limit ("max")
        pass
    return min(left, default=None)


def check_all(data_dir: str, raw_dir: str) -> Iterator[Finding]:
    """All findings, each as soon as it is known."""
    yield from check_python()
    yield from check_packages(requirements())
    found, last = run_probe() if installed("jax") else (None, "it is not installed")
    yield from check_jax(found, last)
    yield from check_gpu(driver(), found, last)
    yield from check_data(data_dir, raw_dir)
    yield from check_space(shutil.disk_usage(pathlib.Path.cwd()).free, free_memory())


def folders_of(words: Sequence[str]) -> dict[str, str]:
    """--data_dir and --raw_dir; raises UserError for anything else."""
    chosen = {"data_dir": "", "raw_dir": ""}
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not (word.startswith("--") and equals and name in chosen):
            raise UserError("Write ./launch.sh doctor [--data_dir=FOLDER] [--raw_dir=FOLDER].")
        chosen[name] = value
    return chosen


def run(words: Sequence[str]) -> int:
    """Prints the findings; returns 1 if anything is wrong."""
    wrong = 0
    for topic, text, remedy in check_all(**folders_of(words)):
        print(f"{'WRONG' if remedy else 'ok':5}  {topic:10}  {text}", flush=True)
        if remedy:
            wrong += 1
            print(f"{'':5}  {'':10}  -> {remedy}", flush=True)
    print(f"{wrong} wrong: do what the arrows say." if wrong else "All is well.")
    return min(wrong, 1)


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
