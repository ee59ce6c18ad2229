"""Where everything meets: plans cases, builds artifacts, drives workers, composes reports; the command line."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("crossrt")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
