"""Clients of `resnet serve` that bring more packages than the other tests need. They stand in an environment of their own,
build/peers/clients, which `make test-all` makes from tests/clients.txt; tests skip, visibly, without it."""
import importlib.util
import os
import sys

SOURCE = os.environ["RESNET_SOURCE_DIR"]
BIN = os.path.join(SOURCE, "build", "peers", "clients", "bin")


def skip(why):
    print(f"skipped: {why}; `make test-all` installs it")
    sys.exit(77)


def need_module(name):
    """Goes on with the Python that has the module."""
    if importlib.util.find_spec(name):
        return
    python = os.path.join(BIN, "python3")
    if not os.path.exists(python) or os.path.abspath(sys.executable) == python:
        skip(f"there is no {name}")
    os.execv(python, [python, *sys.argv])


def need_program(name):
    """The path of a program of that environment."""
    path = os.path.join(BIN, name)
    if not os.path.exists(path):
        skip(f"there is no {name}")
    return path
