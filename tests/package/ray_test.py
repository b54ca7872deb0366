"""examples/ray_classify.py on a Ray cluster of two workers, both on this machine: its table is what `resnet predict` prints, a
broken picture is named and ends nothing, and both workers have worked. Runs where `make test-all` has installed Ray
(build/peers/ray)."""
import csv
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import package
import pictures

RAY = os.path.join(package.source, "build", "peers", "ray", "bin", "python")
if not os.path.exists(RAY):
    print("skipped: there is no Ray; `make test-all` installs it")
    sys.exit(77)
missing = [name for name in ("nanobind", "scikit_build_core") if not importlib.util.find_spec(name)]
if missing:
    print("skipped: this Python has no", ", ".join(missing))
    sys.exit(77)

# A cluster whose head has no core and whose two workers have one each; the example runs in it as a process of its own.
CLUSTER = """
import os, subprocess, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
for _ in range(2):
    cluster.add_node(num_cpus=1)
try:
    done = subprocess.run([sys.executable, *sys.argv[1:]], env={**os.environ, "RAY_ADDRESS": cluster.address})
finally:
    cluster.shutdown()
sys.exit(done.returncode)
"""


def classify(site, *arguments):
    """Exit status, and what it printed."""
    done = subprocess.run([RAY, "-c", CLUSTER, os.path.join(package.source, "examples", "ray_classify.py"), *arguments],
                          env={**os.environ, "PYTHONPATH": site, "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def predicted(model, paths):
    lines = package.run([package.program, "predict", model, *paths, "--json", "--top", "1", "--threads", "1"]).splitlines()
    return {line["path"]: (line["top"][0]["class"], line["top"][0]["probability"]) for line in map(json.loads, lines)}


def check(table, wanted, broken):
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["path"] for row in rows) == sorted([*wanted, *broken]), rows
    for row in rows:
        if row["path"] in broken:
            assert row["class"] == "" and "neither a JPEG" in row["error"], row
        else:
            assert row["error"] == "" and row["class"] == wanted[row["path"]][0], (row, wanted[row["path"]])
            assert abs(float(row["probability"]) - wanted[row["path"]][1]) < 1e-6, (row, wanted[row["path"]])


with tempfile.TemporaryDirectory() as folder:
    site = package.install_python_package_of_this_build(folder)
    model, _ = package.model_and_picture(folder)
    paths = [pictures.write(f"{folder}/photos/{i // 10}/{i:02}.png", pictures.png(40 + i, 50, i)) for i in range(30)]
    wanted = predicted(model, paths)

    status, text = classify(site, model, f"{folder}/photos", f"{folder}/all.csv")
    assert status == 0 and "30 pictures on 2 cores, 0 failed" in text, text
    check(f"{folder}/all.csv", wanted, [])

    broken = pictures.write(f"{folder}/broken.jpg", b"no picture")
    pictures.write(f"{folder}/list.txt", "\n".join([*paths[:5], broken]).encode())
    status, text = classify(site, model, f"{folder}/list.txt", f"{folder}/some.csv")
    assert status == 1 and "6 pictures on 2 cores, 1 failed" in text, text
    check(f"{folder}/some.csv", {path: wanted[path] for path in paths[:5]}, [broken])
print("two workers of a Ray cluster: answers are those of predict")
