"""How long `resnet predict` takes from its start to its first answer, and how much memory it has at most.

  python3 benchmarks/startup.py [--network resnet50] [--threads 2] [--turns 9]

Makes a network with random weights, an int8 model of it and a picture in a temporary directory, which puts them into
the page cache, and then starts the program over and over, the ways to compute taking turns. The time is from before the process is
made until the answer's first byte; memory is what the kernel counted, mapped files included, beside the size of the float32
file. Linux, plain python3.
"""
import argparse
import os
import random
import statistics
import struct
import subprocess
import tempfile
import time
import zlib

RESNET = os.environ.get("RESNET", os.path.join("build", "release", "resnet"))
WAYS = {"fp32, direct": ["fp32", "--algorithms", "direct"], "fp32, with Winograd": ["fp32", "--algorithms", "winograd"],
        "fp32, as chosen": ["fp32"], "int8": ["int8"]}


def write_picture(path, seed):
    """A PNG of 224 x 224 random pixels."""
    rows = random.Random(seed)
    pixels = b"".join(b"\0" + rows.randbytes(3 * 224) for _ in range(224))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", 224, 224, 8, 2, 0, 0, 0)),
                           (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def make(folder, network):
    """Files by precision, and a picture."""
    pictures = os.path.join(folder, "pictures", "noise")
    os.makedirs(pictures)
    for i in range(4):
        write_picture(os.path.join(pictures, f"{i}.png"), i)
    models = {precision: os.path.join(folder, precision + ".safetensors") for precision in ("fp32", "int8")}
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([RESNET, "init", network, "--calibrated", "-o", models["fp32"]], **quiet)
    subprocess.run([RESNET, "quantize", models["fp32"], os.path.dirname(pictures), "--min-agreement", "0",
                    "-o", models["int8"]], **quiet)
    return models, os.path.join(pictures, "0.png")


def first_answer(command):
    """Seconds until the first byte, and the highest resident memory in bytes."""
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.read(1)
        seconds = time.monotonic() - start
        process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"startup: {' '.join(command)} failed")
    return seconds, used.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--threads", default=str(len(os.sched_getaffinity(0))))
    parser.add_argument("--turns", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models, picture = make(folder, arguments.network)
        size = os.path.getsize(models["fp32"])
        seen = {way: [] for way in WAYS}
        for _ in range(arguments.turns):
            for way, (precision, *options) in WAYS.items():
                seen[way].append(first_answer([RESNET, "predict", models[precision], picture, "--threads", arguments.threads,
                                               *options]))
    print(f"{arguments.network}, float32 file of {size / 1e6:.1f} MB, {arguments.threads} threads, {arguments.turns} turns")
    print(f"{'':20} {'first answer ms':>15} {'least':>7} {'peak MB':>8} {'of the float32 file':>20}")
    for way, runs in seen.items():
        seconds, peak = [run[0] for run in runs], statistics.median(run[1] for run in runs)
        print(f"{way:20} {1e3 * statistics.median(seconds):15.0f} {1e3 * min(seconds):7.0f} {peak / 1e6:8.1f} {peak / size:18.2f} x")


main()
