"""Writes tests/golden/trees: what print(model) says, for machines without PyTorch. Run by hand; architecture_parity.py
checks that the files are still true."""
import pathlib

from models import build

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "trees"
CASES = [(name, layout) for name in ("resnet18", "resnet50") for layout in ("torchvision", "tutorial")]


def path(name, layout):
    return GOLDEN / f"{name}_{layout}.txt"


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, layout in CASES:
        path(name, layout).write_text(f"{build(name, layout)}\n")
