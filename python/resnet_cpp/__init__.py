"""Residual networks in native C++: a model file made ready to classify pictures.

    model = resnet_cpp.Classifier.load("model.safetensors")
    for guess in model.classify("cat.jpg"):
        print(f"{100 * guess.probability:5.1f} %  {guess.label}")

A model may be used from several threads at the same time; calls run side by side and hold no lock, nor the GIL. Errors
are resnet_cpp.Error, with the place and the reason as text and the kind in `.code`.
"""
from ._native import Classifier, Error, Guess, __version__

__all__ = ["Classifier", "Error", "Guess", "__version__"]
