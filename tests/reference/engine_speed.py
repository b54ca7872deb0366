"""Speed of the engine beside ONNX Runtime's: the same weights, the same threads, in turns on the same machine.

  .venv/bin/pip install onnx onnxruntime
  RESNET=build/release/resnet .venv/bin/python tests/reference/engine_speed.py [--threads 2] [--turns 7]

For each network and batch both answer the same input first (the program stops where they differ by more than 1e-5 of
the largest logit), then take turns of about two seconds each. Prints each turn's median, then the medians over the
turns and the median of the turn by turn ratios; above 1 the engine is faster.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime
import torch

import models

RESNET = os.environ.get("RESNET", "build/release/resnet")


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ours(model, batch, threads):
    command = [RESNET, "bench", model, "--batch", str(batch), "--threads", str(threads), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["runs"][0]["median_ms"]


def theirs(path, batch, threads, seconds=2.0):
    """In a session of its own, so that its threads do not spin while it is our turn."""
    runner = session(path, threads)
    x = {"x": np.random.default_rng(0).standard_normal((batch, 3, 224, 224), np.float32)}
    for _ in range(3):
        runner.run(None, x)
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times) < 5:
        start = time.perf_counter()
        runner.run(None, x)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def check(model, onnx, folder):
    x = np.random.default_rng(1).standard_normal((1, 3, 224, 224), np.float32)
    np.save(os.path.join(folder, "x.npy"), x)
    command = [RESNET, "predict", model, os.path.join(folder, "x.npy"), "--json", "--logits"]
    a = np.array(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["logits"])
    b = session(onnx, 2).run(None, {"x": x})[0][0]
    error = np.abs(a - b).max() / np.abs(b).max()
    assert error < 1e-5, f"answers differ by {error:.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("resnet18", "resnet50"):
            network = models.randomize(models.build(name), 0).eval()
            model, onnx = os.path.join(folder, name + ".pth"), os.path.join(folder, name + ".onnx")
            torch.save(network.state_dict(), model)
            torch.onnx.export(network, torch.zeros(1, 3, 224, 224), onnx, input_names=["x"], output_names=["y"],
                              dynamic_axes={"x": {0: "n"}}, dynamo=False)
            check(model, onnx, folder)
            for batch in (1, 16):
                turns = [(ours(model, batch, arguments.threads), theirs(onnx, batch, arguments.threads))
                         for _ in range(arguments.turns)]
                print(*(f"{a:.1f}/{b:.1f}" for a, b in turns))
                a, b = (statistics.median(column) / batch for column in zip(*turns))
                ratio = statistics.median(b / a for a, b in turns)
                print(f"{name} batch {batch}: resnet {a:.2f} ms a picture, ONNX Runtime {onnxruntime.__version__} "
                      f"{b:.2f}, ratio {ratio:.2f}", flush=True)


main()
