"""Residual networks in native C++: anybody's checkpoint made ready to classify, judge, quantise, explain and export.

    model = resnet_cpp.load("model.safetensors")
    for guess in model.classify("cat.jpg"):
        print(f"{100 * guess.probability:5.1f} %  {guess.label}")

A model may be used from several threads at the same time; calls run side by side and hold no lock, nor the GIL. Errors
are resnet_cpp.Error, with the place and the reason as text and the kind in `.code`; what is of a wrong type is a
TypeError.
"""
from ._native import Classifier, ClassReport, Error, Evaluation, Guess, Quantized, __version__

__all__ = ["ClassReport", "Classifier", "Error", "Evaluation", "Guess", "Quantized", "__version__", "load"]

load = Classifier.load
