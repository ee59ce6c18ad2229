"""Runs the whole suite: see `runtimes/conformance/`."""
# ruff: noqa: F403

from crossrt.runtimes.conformance.test_answers import *
from crossrt.runtimes.conformance.test_memory import *
from crossrt.runtimes.conformance.test_model_files import *
from crossrt.runtimes.conformance.test_models import *
from crossrt.runtimes.conformance.test_refusals import *
from crossrt.runtimes.conformance.test_runtime import *
from crossrt.runtimes.conformance.test_session import *
from crossrt.runtimes.conformance.test_threads import *
