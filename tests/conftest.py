"""What holds for every test: JAX on the CPU, compiled rightly, and strict about random keys."""

import os
import pathlib
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import experiments  # noqa: F401  (sets XLA's flags)
from experiments.runtime.xla import jaxlib_version

os.environ["JAX_PLATFORMS"] = "cpu"  # for the processes that tests start
# The older of XLA's two ways to write loops compiles in a third of the time; 0.12 has it no more.
# A program in one piece, not in 32 for as many threads, takes four fifths of what is left.
QUICKLY = "--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"
FLAGS = os.environ.get("XLA_FLAGS", "")
IN_A_FILE = FLAGS and not FLAGS.startswith("-")  # the flags of somebody who keeps them there
if jaxlib_version().startswith(("0.10.", "0.11.")) and not IN_A_FILE:
    added = [flag for flag in QUICKLY if flag not in FLAGS]
    os.environ["XLA_FLAGS"] = " ".join([FLAGS, *added]).lstrip()
# Of what a shell runs in its background Ctrl-C is ignored, and so in all that begins from there.
signal.signal(signal.SIGINT, signal.default_int_handler)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_debug_key_reuse", True)

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="run the slow tests too, as CI does")


def pytest_collection_modifyitems(config, items):
    """Slow tests wait for --thorough; the files that take longest come first: the short ones then
    fill what time is left."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/experiments/"))
    if not config.getoption("--thorough"):
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker(pytest.mark.skip(reason="runs only with --thorough"))


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """A program that a test has compiled is read by those after it; the folder of these."""
    folder = tmp_path_factory.mktemp("compiled")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder


@pytest.fixture(scope="session")
def quick_processes(compiled_once):
    """The environment of processes that share what they compile, without XLA's optimisations."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(compiled_once),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }


@pytest.fixture
def raw_dir() -> pathlib.Path:
    """The folder of raw data files, `<folder>/<dataset>/<file>`; skips the test without one."""
    folder = os.environ.get("UNFOLD_RAW_DIR") or ROOT.parent / "shared" / "data"
    path = pathlib.Path(folder).expanduser()
    if not path.is_dir():
        pytest.skip("needs real data: set UNFOLD_RAW_DIR to a folder of raw files")
    return path


@pytest.fixture(scope="session")
def drawn():
    """drawn(init, *inputs): numbers in the shapes of `init`'s result; compiles nothing."""

    def numbers(init, *inputs):
        random = np.random.default_rng(0)
        like = jax.eval_shape(lambda: init(jax.random.key(0), *inputs))
        return jax.tree.map(lambda x: jnp.asarray(random.normal(size=x.shape) / 2, x.dtype), like)

    return numbers


@pytest.fixture(scope="module")
def quick_compilation():
    """For modules of many small programs, whose tests are not about XLA's optimisations."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
