"""Settings for every test: JAX on the CPU, without miscompilations, strict about random keys."""

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
# XLA's older code generator for loops, which 0.12 no longer has, compiles in a third of the time.
# Not splitting a program into 32 parts for as many threads takes four fifths of the rest.
QUICKLY = "--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1"
FLAGS = os.environ.get("XLA_FLAGS", "")
IN_A_FILE = FLAGS and not FLAGS.startswith("-")  # the flags of somebody who keeps them there
if jaxlib_version().startswith(("0.10.", "0.11.")) and not IN_A_FILE:
    added = [flag for flag in QUICKLY if flag not in FLAGS]
    os.environ["XLA_FLAGS"] = " ".join([FLAGS, *added]).lstrip()
# A shell starts background jobs with Ctrl-C ignored, which their child processes inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_debug_key_reuse", True)

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="run the slow tests too, as CI does")


def pytest_collection_modifyitems(config, items):
    """Skips slow tests without --thorough; runs the files that take longest first, so that the
    workers finish at about the same time."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/experiments/"))
    if not config.getoption("--thorough"):
        for item in items:
            if item.get_closest_marker("thorough"):
                item.add_marker(pytest.mark.skip(reason="runs only with --thorough"))


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Caches compiled programs for later tests; gives the cache's folder."""
    folder = tmp_path_factory.mktemp("compiled")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder


@pytest.fixture(scope="session")
def quick_processes(compiled_once):
    """An environment for processes: they share compiled programs, and optimise them little."""
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
    """drawn(init, *inputs): random arrays with the shapes of `init`'s result; compiles nothing."""

    def numbers(init, *inputs):
        random = np.random.default_rng(0)
        like = jax.eval_shape(lambda: init(jax.random.key(0), *inputs))
        return jax.tree.map(lambda x: jnp.asarray(random.normal(size=x.shape) / 2, x.dtype), like)

    return numbers


@pytest.fixture(scope="module")
def quick_compilation():
    """For modules with many small programs, whose tests do not depend on XLA's optimisations."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
