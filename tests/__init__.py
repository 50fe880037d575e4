"""Tests, in the layout of the package. A package, because a library installs another `tests`."""
