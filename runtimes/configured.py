"""A runtime with values for its options: under their name it is a runtime of its own, beside the plain one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.runtimes.options import RuntimeOption, settled_options
from crossrt.runtimes.protocol import Runtime, Session, SessionOptions
from crossrt.runtimes.selector import RuntimeSelector


class ConfiguredRuntime:
    """A runtime that prepares every session with the same values for options that it declares.

    Attributes:
        values: The values, by name of the option.
        name: The selector that they make.
    """

    def __init__(self, runtime: Runtime, selector: RuntimeSelector) -> None:
        """Checks the values of a selector.

        Raises:
            OptionRefusedError: They are not what the runtime declares, or the installed build lacks one.
        """
        self._runtime = runtime
        self.values: Mapping[str, str] = settled_options(selector.name, declared_options(runtime), selector.options)
        check: Callable[[Mapping[str, str]], None] | None = getattr(runtime, "check_options", None)
        if check is not None and self.values:
            check(self.values)
        self.name = dataclasses.replace(selector, options=self.values).text

    @property
    def formats(self) -> tuple[ModelFormat, ...]:
        """The file formats that it reads."""
        return self._runtime.formats

    @property
    def options(self) -> tuple[RuntimeOption, ...]:
        """What the runtime declares."""
        return declared_options(self._runtime)

    def version(self) -> str:
        """Version of the runtime itself."""
        return self._runtime.version()

    def is_timed(self, values: Mapping[str, str]) -> bool:
        """Whether the runtime is measured with these values."""
        return is_timed(self._runtime, values)

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """Why this artifact cannot run with these options."""
        return self._runtime.unsupported_reason(artifact, self._with_values(options))

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> Session:
        """Loads the model; raises what the runtime raises."""
        return self._runtime.prepare(artifact, self._with_values(options))

    def _with_values(self, options: SessionOptions) -> SessionOptions:
        return dataclasses.replace(options, runtime_options=self.values)


def declared_options(runtime: Runtime) -> tuple[RuntimeOption, ...]:
    """The options that a runtime declares; one that has no attribute for them has none."""
    return tuple(getattr(runtime, "options", ()))


def values_of(runtime: Runtime) -> Mapping[str, str]:
    """The values that a runtime is configured with."""
    return runtime.values if isinstance(runtime, ConfiguredRuntime) else {}


def is_timed(runtime: Runtime, values: Mapping[str, str]) -> bool:
    """Whether a runtime is measured with these values, or only asked for its answers."""
    ask: Callable[[Mapping[str, str]], bool] | None = getattr(runtime, "is_timed", None)
    return True if ask is None else ask(values)
