"""What can go wrong while a model file is made."""

from crossrt.core.errors import CrossrtError


class ExportError(CrossrtError):
    """A model cannot be used, converted or quantized."""


class ModelError(ExportError):
    """A model file cannot be loaded."""


class RecipeError(ExportError):
    """A quantization recipe is not known, not well-formed, or asks for what no quantizer can do."""


class UnfitRecipeError(ExportError):
    """A recipe does not fit a model, by a known limit of the format or of the quantizer."""


class NothingToQuantizeError(UnfitRecipeError):
    """What a recipe quantizes is not there."""


class NotAlikeError(ExportError):
    """Two files cannot be compared tensor by tensor."""


def first_line(error: Exception | str, most: int = 300) -> str:
    """What a library says, in one line of reasonable length; the class of an error that says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    if text.endswith(":") and len(lines) > 1:
        text = f"{text} {lines[1]}"
    return text if len(text) <= most else f"{text[: most - 3]}..."
