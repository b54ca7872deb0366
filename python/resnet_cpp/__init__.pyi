from ._native import Classifier as Classifier, ClassReport as ClassReport, Evaluation as Evaluation, Guess as Guess
from ._native import Quantized as Quantized

__all__ = ["ClassReport", "Classifier", "Error", "Evaluation", "Guess", "Quantized", "__version__", "load"]

__version__: str

load = Classifier.load

class Error(Exception):
    """What went wrong and where."""

    code: str
    """The kind: not_found, format, mismatch, ..."""
