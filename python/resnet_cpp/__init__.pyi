from ._native import Classifier as Classifier, Guess as Guess

__all__ = ["Classifier", "Error", "Guess", "__version__"]

__version__: str

class Error(Exception):
    """What went wrong and where."""

    code: str
    """The kind: not_found, format, mismatch, ..."""
