"""The conformance suite that ships with crossrt, run with the other tests; its options come with it."""

from crossrt.runtimes.conformance import plugin
from crossrt.runtimes.conformance.conftest import *  # noqa: F403


def pytest_addoption(parser, pluginmanager):
    if not pluginmanager.is_registered(plugin):  # where crossrt is not installed with its entry points
        pluginmanager.register(plugin, plugin.__name__)
