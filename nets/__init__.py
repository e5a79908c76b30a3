"""The mathematics: pure functions and Flax Linen modules, one file per architecture."""
