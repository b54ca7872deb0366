"""Times every network of the catalog with `resnet bench`, at each batch and precision.

  make bench [OPTIONS="--models resnet18,resnet50 --batches 1,16"]

Plain python3. --json prints one object, which holds what `resnet bench --json` printed for each network and precision.
"""
import argparse
import json
import os
import re
import subprocess
import sys

RESNET = os.environ.get("RESNET", os.path.join("build", "release", "resnet"))
PRECISIONS = ("fp32", "bf16", "int8")


def resnet(*arguments):
    return subprocess.run([RESNET, *arguments], capture_output=True, text=True)


def catalog():
    """`resnet summary --help` ends with the names."""
    return re.search(r"^Networks: (.*)$", resnet("summary", "--help").stdout, re.MULTILINE).group(1).split()


def options():
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=words, help="names of architectures, or model files (the whole catalog)")
    parser.add_argument("--batches", default="1,16")
    parser.add_argument("--precisions", type=words, default=list(PRECISIONS), help="of fp32, bf16, int8")
    parser.add_argument("--threads", help="(one per processor)")
    parser.add_argument("--json", action="store_true")
    result = parser.parse_args()
    if not set(result.precisions) <= set(PRECISIONS):
        parser.error("--precisions: of " + ", ".join(PRECISIONS))
    return result


def measure(arguments, model, precision):
    """What `resnet bench --json` prints, or {"error": reason}."""
    command = ["bench", model, "--batch", arguments.batches, "--precision", precision, "--json"]
    if arguments.threads:
        command += ["--threads", arguments.threads]
    result = resnet(*command)
    if result.returncode != 0:
        return {"error": result.stderr.strip().splitlines()[-1].removeprefix("resnet: ")}
    return json.loads(result.stdout)


def show(model, precision, measured, first):
    if "error" in measured:
        print(f"{model:18} {precision:>9}       {measured['error']}", flush=True)
        return
    if first:
        print(f"{measured['cpu']}, {measured['threads']} threads")
        print(f"{'network':18} {'precision':>9} {'batch':>5} {'ms a picture':>12} {'pictures/s':>10} {'GFLOP/s':>8} "
              f"{'% peak':>7} {'MB':>7}")
    for run in measured["runs"]:
        print(f"{model:18} {precision:>9} {run['batch']:5} {run['median_ms'] / run['batch']:12.2f} "
              f"{run['images_per_second']:10.1f} {run['gflops']:8.1f} {run['percent_of_peak']:7.1f} "
              f"{run['peak_memory_bytes'] / 1e6:7.0f}", flush=True)


def main():
    arguments = options()
    everything, measured_any = [], False
    for model in arguments.models or catalog():
        for precision in arguments.precisions:
            measured = measure(arguments, model, precision)
            everything.append({"model": model, "precision": precision, **measured})
            if not arguments.json:
                show(model, precision, measured, not measured_any)
            measured_any = measured_any or "error" not in measured
    if arguments.json:
        print(json.dumps(everything, indent=2))
    sys.exit(0 if measured_any else 1)


main()
