"""What can go wrong while a model file is made."""

from crossrt.core.errors import CrossrtError


class ExportError(CrossrtError):
    """A model cannot be used, converted or quantized."""


class ModelError(ExportError):
    """A model file cannot be loaded."""


class RecipeError(ExportError):
    """A quantization recipe is not known, not well-formed, or asks for what no quantizer can do."""
