"""Tests, in the layout of the package; a package of that name, which a library brings, is not it."""
