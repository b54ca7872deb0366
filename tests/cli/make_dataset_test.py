"""resnet make-dataset: what it makes, the same for the same seed, what it refuses, and that eval reads what it made."""
import json
import os
import pathlib
import tempfile

from pictures import resnet


def files(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.jpg")}


def refused(status, text, *arguments):
    result = resnet("make-dataset", *arguments)
    message = result.stderr.decode()
    assert result.returncode == status, (arguments, result.returncode, message)
    assert text in message and message.count("\n") == 1, message


with tempfile.TemporaryDirectory() as name:
    here = pathlib.Path(name)
    result = resnet("make-dataset", "shapes", "--out", here / "a", "--size", 32, "--train", 25, "--val", 10, "--json")
    assert result.returncode == 0 and result.stderr == b"", result.stderr
    report = json.loads(result.stdout)
    assert list(report) == ["path", "classes", "train_images", "val_images", "size_pixels", "seed"]
    assert report["classes"] == sorted(os.listdir(here / "a" / "train")) and len(report["classes"]) == 10
    made = files(here / "a")
    assert len(made) == 35 and sum(path.startswith("val/") for path in made) == 10
    assert len(set(made.values())) == 35, "no picture twice"

    again = resnet("make-dataset", "shapes", "--out", here / "b", "--size", 32, "--train", 25, "--val", 10)
    assert b"25 pictures to train on and 10 to validate with, 10 classes, 32x32 pixels, seed 0" in again.stdout
    assert files(here / "b") == made
    assert resnet("make-dataset", "shapes", "--out", here / "c", "--size", 32, "--train", 25, "--val", 10, "--seed",
                  1).returncode == 0
    assert not set(files(here / "c").values()) & set(made.values())

    refused(1, "there is something already", "shapes", "--out", here / "a")
    refused(1, "train: 9 is not between 10 and", "shapes", "--out", here / "d", "--train", 9)
    refused(1, "size: 8 is not between 16 and 1024", "shapes", "--out", here / "d", "--size", 8)
    refused(2, "--out is required", "shapes")
    refused(2, "KIND", "--out", here / "d")
    refused(2, "circles", "circles", "--out", here / "d")
    refused(2, "--seed", "shapes", "--out", here / "d", "--seed", "-1")
    (here / "file").write_text("x")
    refused(1, "cannot write", "shapes", "--out", here / "file" / "d")
    assert not (here / "d").exists()

    model = here / "model.safetensors"
    assert resnet("init", "resnet20", "--classes", 10, "--calibrated", "-o", model).returncode == 0
    shown = resnet("eval", model, here / "a" / "val", "--size", 32, "--resize", 0, "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["images"] == 10
