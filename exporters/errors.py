"""What can go wrong while a model file is made or read back."""


class ExportError(Exception):
    """A model, a data file or an artifact cannot be used; the message says what, what was found and what to do."""


class DataError(ExportError):
    """A data file is missing, damaged or of the wrong shape."""


class ModelError(ExportError):
    """A Keras model cannot be loaded, or does not fit the data."""


class ArtifactError(ExportError):
    """An artifact or its manifest is missing, damaged or does not match its hash."""


class RecipeError(ExportError):
    """A quantization recipe is not known, not well-formed, or asks for what no quantizer can do."""
