"""Images per second of `resnet train` in one process and in several on this machine, in turns.

    make build && python3 benchmarks/scaling.py [--rounds 3] [--arch resnet20 --size 32 --batch 128 --images 2560]

Prints for each way the median over the rounds of the last epoch's rate, and its ratio to one process with one thread,
round by round.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--arch", default="resnet20")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--images", type=int, default=2560)
options = parser.parse_args()

program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "release", "resnet")
processors = len(os.sched_getaffinity(0))
ways = [(1, 1), (1, processors), (processors, 1)]  # processes, threads of each

with tempfile.TemporaryDirectory() as folder:
    data = f"{folder}/shapes"
    subprocess.run([program, "make-dataset", "shapes", "--out", data, "--size", str(options.size), "--train", str(options.images),
                    "--val", "10"], check=True, capture_output=True)
    rates = {way: [] for way in ways}
    for round in range(options.rounds):
        for processes, threads in ways:
            done = subprocess.run([program, "train", "--arch", options.arch, "--data", f"{data}/train", "--size", str(options.size),
                                   "--batch", str(options.batch), "--epochs", "2", "--threads", str(threads), "--nproc", str(processes),
                                   "--out", f"{folder}/run{round}-{processes}-{threads}", "--json"],
                                  check=True, capture_output=True, text=True)
            rates[processes, threads].append(json.loads(done.stdout.splitlines()[1])["images_per_second"])
print(f"{options.arch}, batch {options.batch}, {options.size}x{options.size}, {processors} processors")
for (processes, threads), values in rates.items():
    ratio = statistics.median(value / base for value, base in zip(values, rates[ways[0]]))
    print(f"{processes} process{'es' if processes > 1 else ''}, {threads} thread{'s' if threads > 1 else ''} each: "
          f"{statistics.median(values):.1f} pictures/s, {ratio:.2f} times")
