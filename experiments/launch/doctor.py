"""Says what is installed, what computes and which data is at hand, and what to do where it is not.

    ./launch.sh doctor [--data_dir=FOLDER] [--raw_dir=FOLDER]

Status 0 if all is well, 1 if something is wrong. The standard library suffices, so that it speaks
where an installation is broken or was never made; JAX runs in a process of its own.
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
ANEW = "delete .venv and run ./launch.sh setup"
ROOM = 2**30  # bytes of disk and of memory, without which a run hardly ends well
PROBE_SECONDS = 180


class Finding(NamedTuple):
    """A line of the report; with a cure it is something that is wrong."""

    topic: str
    said: str
    cure: str = ""


def pythons() -> Iterator[Finding]:
    """Which Python runs, and whether .venv is whole."""
    new = sys.version_info >= (3, 11)
    yield Finding("python", f"{platform.python_version()}, {sys.executable}",
                  "" if new else "install Python 3.11 or newer")  # fmt: skip
    stamp = ROOT / ".venv" / "unfold-stamp"
    if pathlib.Path(sys.prefix) != ROOT / ".venv":
        yield Finding(".venv", "there is none whose Python runs", SETUP)
    elif stamp.exists() and stamp.read_text().startswith("incomplete"):
        yield Finding(".venv", "its installation was cut off", SETUP)


def requirements() -> dict[str, str]:
    """Name -> the least version, of all that setup.cfg asks for to run experiments."""
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = options["options"]["install_requires"], options["options.extras_require"]["experiments"]
    lines = "\n".join(asked).split("\n")
    pairs = (line.split(">=") for line in lines if line)
    return {name: (least or [""])[0] for name, *least in pairs}


def packages(asked: Mapping[str, str]) -> Iterator[Finding]:
    """The versions that are installed, and what is missing or too old."""
    found = {name: installed(name) for name in ("jaxlib", *asked)}
    shown = {"jax": found.get("jax"), **found}
    yield Finding("packages", ", ".join(f"{n} {v}" for n, v in shown.items() if v) or "none")
    missing = [name for name, version in found.items() if not version]
    if missing:
        yield Finding("packages", f"not installed: {', '.join(missing)}",
                      SETUP if len(missing) == len(found) else ANEW)  # fmt: skip
    for name, least in asked.items():
        if found[name] and numbers(found[name]) < numbers(least):
            yield Finding("packages", f"{name} {found[name]} is older than {least}", ANEW)


def installed(name: str) -> str | None:
    """A package's version; None if there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> list[int]:
    """`0.12.0` as numbers that compare."""
    return [int(n) for n in re.findall(r"\d+", version)[:3]]


def probed() -> tuple[dict | None, str]:
    """What `probe` says (None if it does not end well), and JAX's own last word."""
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
        return None, f"ended by {signal.Signals(-done.returncode).name}"
    if done.returncode:
        return None, last
    return json.loads(done.stdout.splitlines()[-1]), last


def computing(found: dict | None, last: str) -> Iterator[Finding]:
    """Whether JAX starts, on what, and whether it computes rightly."""
    if found is None:
        yield Finding("jax", f"does not start: {last}", ANEW)
        return
    if found["import_error"]:
        yield Finding("packages", f"do not fit together: {found['import_error']}", ANEW)
    kinds = found["devices"]
    shown = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    yield Finding("devices", f"{found['platform']}: {shown}; {os.cpu_count()} processor cores")
    if not found["product"]:
        yield Finding("devices", "a product of ones comes out wrong",
                      "compute on the processor (JAX_PLATFORMS=cpu), and have the device looked at")
    known = "is known to compile some CPU reductions wrongly"
    fault = f"jaxlib {xla.jaxlib_version()}"
    if not found["reductions"]:
        yield Finding("reductions", f"come out wrong with {fault}, XLA_FLAGS="
                      f"{os.environ.get('XLA_FLAGS', '')!r}",
                      f"unset XLA_FLAGS, or put {xla.FLAG}= among them")  # fmt: skip
    elif xla.jaxlib_version() in xla.FAULTY:
        yield Finding("reductions", f"come out right: {fault} {known}, and "
                      "XLA_FLAGS as it is set here avoids them")  # fmt: skip
    else:
        yield Finding("reductions", f"come out right with {fault}")


def driver() -> int | None:
    """The CUDA version that the NVIDIA driver is made for; None without a driver."""
    try:
        done = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"CUDA[A-Za-z ]*Version: *(\d+)", done.stdout)
    return int(version[1]) if version else None


def accelerator(cuda: int | None, found: dict | None, last: str) -> Iterator[Finding]:
    """Whether a GPU that is there is used."""
    if cuda is None or found is None or found["platform"] in ("gpu", "cuda"):
        return
    said = f"its driver is here (CUDA {cuda}), and JAX computes on {found['platform']}"
    extra = f"cuda{min(cuda, 13)}"
    if cuda < 12:
        cure = "bring the driver up to date: JAX needs one for CUDA 12"
    elif os.environ.get("JAX_PLATFORMS"):
        cure = f"unset JAX_PLATFORMS, which is {os.environ['JAX_PLATFORMS']}"
    elif installed(f"jax-{extra}-plugin"):
        said += f" though its CUDA plug-in is installed ({last or 'no word why'})"
        cure = "see whether another program holds the GPU (nvidia-smi); else " + ANEW
    else:
        said += ": this jaxlib is the processor's, without the CUDA plug-in"
        cure = f"run UNFOLD_EXTRAS={extra} ./launch.sh setup"
    yield Finding("gpu", said, cure)


def data_folders(data_dir: str, raw_dir: str) -> Iterator[Finding]:
    """Which data sets are at hand, and whether their sums are right."""
    try:
        from data.published import DATASETS, holdings
        from data.raw import chosen_raw_dir, download_folder
    except Exception as error:  # whatever a broken package raises
        yield Finding("data", f"cannot be looked at ({error})", ANEW)
        return
    downloads, raw = download_folder(data_dir), chosen_raw_dir(raw_dir)
    folders = {"raw_dir": raw} if raw else {"data_dir": downloads}
    if raw and not raw.is_dir():
        yield Finding("raw_dir", f"{raw} is no folder", "name another: --raw_dir, UNFOLD_RAW_DIR")
        folders = {}
    for topic, folder in folders.items():
        found = holdings(folder)
        whole = [name for name, held in found.items() if held.sound == held.files]
        absent = [
            f"{name} ({sum(file.size for file in files) / 1e6:.1f} MB)"
            for name, files in DATASETS.items()
            if name not in found
        ]
        yield Finding(topic, f"{folder}: sums are right of {', '.join(whole) or 'nothing yet'}")
        for name, held in found.items():
            for wrong in held.faults:
                yield Finding(topic, wrong, "delete it, or replace it with the published file")
            if held.sound + len(held.faults) < held.files:
                yield Finding(topic, f"{name}: {held.sound} of {held.files} files are there")
        if absent:
            when = " where no raw folder is given" if topic == "raw_dir" else ""
            yield Finding(topic, f"not there, downloaded when asked for by name{when}; no default "
                          f"needs them: {', '.join(absent)}")  # fmt: skip
    yield from prepared(downloads.parent, data_dir)


def prepared(root: pathlib.Path, data_dir: str) -> Iterator[Finding]:
    """Whether what is prepared in the data folder can be read, and another can be added."""
    if (root / "unfold_mnist").exists():
        from data import mnist, mnist_builder

        try:
            mnist_builder.opened(data_dir or None, mnist.sums())
            yield Finding("data_dir", f"{root}: mnist is prepared")
        except UserError as error:
            yield Finding("data_dir", str(error), f"delete {root / 'unfold_mnist'}")
    near = next(path for path in (root, *root.absolute().parents) if path.exists())
    if not os.access(near, os.W_OK):
        yield Finding("data_dir", f"{root} cannot be written", "choose another --data_dir")


def room(disk: int, memory: int | None) -> Iterator[Finding]:
    """Whether there is disk, where runs go, and memory; bytes."""
    for topic, free, cure in (
        ("disk", disk, f"free some space, or give a --workdir elsewhere than {pathlib.Path.cwd()}"),
        ("memory", memory, "end other programs, or lower --batch_size"),
    ):
        if free is not None:
            yield Finding(topic, f"{free / ROOM:.1f} GiB free", cure if free < ROOM else "")


def free_memory() -> int | None:
    """What is left of the machine's memory and of this container's share; None if unknown."""
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


def examined(data_dir: str, raw_dir: str) -> Iterator[Finding]:
    """All findings, each as soon as it is made."""
    yield from pythons()
    yield from packages(requirements())
    found, last = probed() if installed("jax") else (None, "it is not installed")
    yield from computing(found, last)
    yield from accelerator(driver(), found, last)
    yield from data_folders(data_dir, raw_dir)
    yield from room(shutil.disk_usage(pathlib.Path.cwd()).free, free_memory())


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
    for topic, said, cure in examined(**folders_of(words)):
        print(f"{'WRONG' if cure else 'ok':5}  {topic:10}  {said}", flush=True)
        if cure:
            wrong += 1
            print(f"{'':5}  {'':10}  -> {cure}", flush=True)
    print(f"{wrong} wrong: see the arrows." if wrong else "All is well.")
    return min(wrong, 1)


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
