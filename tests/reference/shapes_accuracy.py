"""What int8 costs at ImageNet's shapes: networks trained for minutes on drawn shapes at 224x224, quantized, evaluated.

  RESNET=build/release/resnet python3 tests/reference/shapes_accuracy.py [resnet18 resnet50]

`resnet make-dataset` draws the pictures. `resnet train` learns from small ones first, which cost little, then from some at
224x224. `resnet quantize` calibrates on 256 of these; `resnet eval` counts mistakes on the 1,000 others. Prints the
tables of docs/precision.md. Fails where int8 is more than 0.5 points worse than fp32, or where fp32 has not learned (60 %).
Everything is kept in build/shapes; remove the folder to start anew.
"""
import json
import os
import subprocess
import sys

RESNET = os.environ.get("RESNET", os.path.join("build", "release", "resnet"))
FOLDER = os.path.join("build", "shapes")
SIZES = {64: 6000, 128: 2000, 224: 960}  # a side, and how many there are to train on
EPOCHS = {64: 8, 128: 1, 224: 4}
RATES = {64: 1e-3, 128: 5e-4, 224: 5e-4}
COMMON = ("--resize", 0, "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25", "--crop", "none", "--batch", 32, "--optimizer", "adamw",
          "--weight-decay", 0.05, "--schedule", "one_cycle")


def path(name):
    return os.path.join(FOLDER, name)


def resnet(*arguments):
    result = subprocess.run([RESNET, *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(result.returncode)
    return json.loads(result.stdout.splitlines()[-1] if arguments[0] == "train" else result.stdout)


def data(size):
    folder = path(f"data{size}")
    if not os.path.exists(folder):
        resnet("make-dataset", "shapes", "--size", size, "--train", SIZES[size], "--val", 1000, "--seed", size, "--out", folder)
    return folder


def train(name):
    """The model file of a network that has seen pictures of all sizes."""
    first = ("--arch", name)
    for size in SIZES:
        run = path(f"{name}-{size}")
        resnet("train", *first, *COMMON, "--data", data(size), "--size", size, "--epochs", EPOCHS[size], "--lr", RATES[size],
               "--out", run, "--resume")
        first = ("--from", os.path.join(run, "best.safetensors"))
    return first[1]


def measure(name):
    """What `resnet quantize` says, and the results of `resnet eval` in fp32 and in int8."""
    model, int8, pictures = train(name), path(f"{name}-int8.safetensors"), data(224)
    said = resnet("quantize", model, pictures, "--only", "train", "--limit", 256, "-o", int8)
    return said, *(resnet("eval", file, pictures, "--only", "val") for file in (model, int8))


def decibels(value):
    """Weights that all are whole numbers already have no noise, and JSON no infinity."""
    return "-" if value is None else f"{value:.1f}"


def main():
    os.makedirs(FOLDER, exist_ok=True)
    results = {name: measure(name) for name in sys.argv[1:] or ("resnet18", "resnet50")}
    print("| | fp32 top-1 | int8 top-1 | layers in fp32 | agreement on the 256 |\n|---|---|---|---|---|")
    for name, (said, fp32, int8) in results.items():
        floats = [layer["name"] for layer in said["layers"] if layer["precision"] == "fp32"]
        print(f"| {name} | {100 * fp32['top1']:.1f} % | {100 * int8['top1']:.1f} % | {', '.join(floats) or 'none'} | "
              f"{100 * said['agreement']:.1f} % |")
    for name, (said, _, _) in results.items():
        print(f"\n| {name} | range | found by | weights | output |\n|---|---|---|---|---|")
        for layer in said["layers"]:
            low = "0" if layer["low"] == 0 else f"{layer['low']:.2f}"
            span = f"{low} to {layer['high']:.2f} | {layer['method']}" if layer["method"] else "float32 | "
            print(f"| `{layer['name']}` | {span} | {decibels(layer['weight_sqnr_db'])} | "
                  f"{decibels(layer['output_sqnr_db'])} |")
    wrong = [name for name, (_, fp32, int8) in results.items() if fp32["top1"] < 0.6 or fp32["top1"] - int8["top1"] > 0.005]
    print(f"\n{'wrong: ' + ', '.join(wrong) if wrong else 'all within 0.5 points'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
