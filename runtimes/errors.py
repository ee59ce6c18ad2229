"""What an adapter raises; everything else that escapes one is a defect of the adapter or of its runtime."""


class RuntimeAdapterError(Exception):
    """A runtime cannot do what was asked; the message says what, what was found and what to do."""


class UnknownRuntime(RuntimeAdapterError):
    """No runtime of this name is registered."""


class RuntimeNotInstalled(RuntimeAdapterError):
    """The runtime's package is missing; the message holds the install command."""


class RuntimeBroken(RuntimeAdapterError):
    """The runtime's package is there and cannot be used; the message holds its own error."""


class ModelRefused(RuntimeAdapterError):
    """The runtime cannot load this model file."""


class InputRefused(RuntimeAdapterError):
    """The feeds do not fit the session's inputs."""


class SessionClosed(RuntimeAdapterError):
    """The session was closed before this call."""
