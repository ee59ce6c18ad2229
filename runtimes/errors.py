"""What an adapter raises; everything else that escapes one is a defect of the adapter or of its runtime."""

from crossrt.core.errors import CrossrtError


class RuntimeAdapterError(CrossrtError):
    """A runtime cannot do what was asked; the message says what, what was found and what to do."""


class UnknownRuntimeError(RuntimeAdapterError):
    """No runtime of this name is registered."""


class VersionRefusedError(RuntimeAdapterError):
    """A version of a runtime is not written like one, does not exist, or does not support this Python."""


class EnvironmentFailedError(RuntimeAdapterError):
    """The environment of a version cannot be made: no network, no installer, no room."""


class RuntimeNotInstalledError(RuntimeAdapterError):
    """The runtime's package is missing; the message holds the install command."""


class RuntimeBrokenError(RuntimeAdapterError):
    """The runtime's package is there and cannot be used; the message holds its own error."""


class ModelRefusedError(RuntimeAdapterError):
    """The runtime cannot load this model file."""


class RunFailedError(RuntimeAdapterError):
    """The runtime loaded this model file and fails while it runs it."""


class OptionRefusedError(RuntimeAdapterError):
    """A session option is out of range, cannot be run with this model, or is missing."""


class InputRefusedError(RuntimeAdapterError):
    """The feeds do not fit the session's inputs."""


class SessionClosedError(RuntimeAdapterError):
    """The session was closed before this call."""
