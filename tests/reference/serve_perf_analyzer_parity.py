"""resnet serve beside Triton's perf_analyzer: it finds the model by its configuration, sends pictures and tensors at a
concurrency and at a rate, and reads the server's statistics; no request fails and its count is the server's."""
import base64
import csv
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

import clients

ANALYZER = clients.need_program("perf_analyzer")
sys.path.insert(0, os.path.join(clients.SOURCE, "tests", "cli"))
from server import Server

# It is linked with CUDA's runtime, which a package of PyPI holds, and with libb64-0d of Debian.
LIBRARIES = glob.glob(os.path.join(clients.BIN, "..", "lib", "python3*", "site-packages", "nvidia", "cuda_runtime", "lib"))
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": ":".join(LIBRARIES)}


def analyze(server, protocol, data, *load):
    """Its rows: the load, inferences a second, and the mean of each phase in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        before = server.metric("nv_inference_request_success")
        done = subprocess.run([ANALYZER, "-m", "net", "-i", protocol, "-u", f"127.0.0.1:{server.port}", "--input-data", data,
                               *load, "-p", "500", "-r", "5", "--stability-percentage", "999", "-f", f"{folder}/t.csv"],
                              capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False)
        text = done.stdout + done.stderr
        if done.returncode or "error" in text:
            sys.exit(f"{protocol} {load}: {text}")
        # What it measured is a part of what it sent, and it read as much from the server's statistics.
        sent = server.metric("nv_inference_request_success") - before
        measured, successes = (int(re.search(rf"{name} count: (\d+)", text).group(1)) for name in ("Request", "Successful request"))
        if not 0 < measured <= sent or abs(successes - measured) > 16:
            sys.exit(f"{protocol} {load}: {measured} measured, {successes} by the server, {sent:.0f} sent: {text}")
        with open(f"{folder}/t.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    for row in rows:
        if float(row["Inferences/Second"]) <= 0 or float(row["Server Compute Infer"]) <= 0:
            sys.exit(f"{protocol} {load}: {row}")
    return rows


def main():
    missing = re.findall(r"(\S+) => not found", subprocess.run(["ldd", ANALYZER], env=ENVIRONMENT, capture_output=True, text=True,
                                                               check=False).stdout)
    if missing:
        clients.skip(f"perf_analyzer needs {', '.join(missing)}")
    model = os.path.join(clients.SOURCE, "models", "resnet20-cifar10.safetensors")
    with open(os.path.join(clients.SOURCE, "tests", "demo.jpg"), "rb") as file:
        picture = file.read()
    with tempfile.TemporaryDirectory() as folder, Server(f"net={model}", "--queue", 200) as server:
        inputs = {"image": {"b64": base64.b64encode(struct.pack("<I", len(picture)) + picture).decode(), "shape": [1]},
                  "input": {"content": [0.5] * (2 * 3 * 32 * 32), "shape": [2, 3, 32, 32]}}
        for name, value in inputs.items():
            data = f"{folder}/{name}.json"
            with open(data, "w", encoding="utf-8") as file:
                json.dump({"data": [{name: value}]}, file)
            for protocol in ("http", "grpc"):
                rows = analyze(server, protocol, data, "--concurrency-range", "1:5:4")
                rows += analyze(server, protocol, data, "--request-rate-range", "20")
                print(f"perf_analyzer, {name} over {protocol}:", ", ".join(f"{float(row['Inferences/Second']):.0f}/s" for row in rows))


if __name__ == "__main__":
    main()
