"""One entry point per architecture, and the loop, flags, checkpoints and report they share."""

from experiments.runtime import xla

xla.avoid_miscompiled_reductions()
