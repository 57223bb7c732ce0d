"""genopipe: from a sequencer's reads to a ranked, explained finding, a lossless archive and pointers into it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("genopipe")
except PackageNotFoundError:  # run from a bare source tree on a GPU machine
    __version__ = "0+source"
