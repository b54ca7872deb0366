"""Counts how often `resnet check` puts the truth first, on the networks of tests/golden/check, each trained in another way.

    RESNET=build/release/resnet python3 tests/reference/check_truth.py cifar10-jpeg.tar.gz [--pictures 16] [--draws 3]

The archive holds test/CLASS/*.jpg. Each draw is of other pictures, spread over the classes. The order of the channels
counts apart: so few pictures may not tell it.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile

NETWORKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "check")
USUAL = {"stem_pool": "none", "stem_stride": 1, "activation": "relu", "antialias": "none"}


def same(hypothesis, truth):
    """Whether it is the truth, and whether it is but for the order of the channels."""
    told = {**USUAL, **truth["architecture"]}
    network = all(hypothesis.get(key, value) == value for key, value in told.items())
    network = network and hypothesis["range"] == truth["range"]
    straight = all(abs(a - b) < 1e-3 for key in ("mean", "std") for a, b in zip(hypothesis[key], truth[key]))
    turned = all(abs(a - b) < 1e-3 for key in ("mean", "std") for a, b in zip(hypothesis[key], truth[key][::-1]))
    right = network and straight and hypothesis["channels"] == truth["channels"]
    return right, network and (straight or turned)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    with open(f"{NETWORKS}/truth.json", encoding="utf-8") as file:
        truths = json.load(file)
    source = random.Random(0)
    right = nearly = runs = 0
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(options.archive) as archive:
            members = [m for m in archive.getmembers() if m.name.split("/")[-3:-2] == ["test"] and m.name.endswith(".jpg")]
            chosen = source.sample(members, options.pictures * options.draws)
            for index, member in enumerate(chosen):
                path = f"{folder}/{index // options.pictures}/{index % options.pictures}.jpg"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(archive.extractfile(member).read())
        for name, truth in truths.items():
            path = f"{NETWORKS}/{name}.safetensors"
            if not os.path.exists(path):
                continue
            for draw in range(options.draws):
                done = subprocess.run([os.environ["RESNET"], "check", path, f"{folder}/{draw}", "--preset", "cifar", "--json"],
                                      capture_output=True, text=True)
                if done.returncode not in (0, 1) or not done.stdout:
                    sys.exit(f"{name}: {done.stderr}")
                first = json.loads(done.stdout)["hypotheses"][0]
                whole, but_for_order = same(first, truth)
                runs, right, nearly = runs + 1, right + whole, nearly + but_for_order
                if not but_for_order:
                    print(f"{name}, draw {draw}: {json.dumps({key: value for key, value in first.items() if key != 'stated'})}")
    print(f"{options.pictures} pictures: the truth is first in {right} of {runs} runs, in {nearly} but for the order of the channels")


if __name__ == "__main__":
    main()
