"""Installs the peers from PyPI into a virtual environment of their own, build/peers/venv.

One by one, so that a peer that cannot be had keeps no other away: build/peers/missing.json then says why. Needs the
python3-venv package. What is there already is left as it is; remove the folder to start anew.
"""
import json
import os
import subprocess
import sys

FOLDER = os.path.join("build", "peers")
PYTHON = os.path.join(FOLDER, "venv", "bin", "python")

# For each peer the sets of requirements that will do, the best first. torch comes before pnnx, which would bring one
# with CUDA.
PEERS = {
    "numpy": [["numpy"]],
    "torch": [["torch==2.13.0+cpu"], ["torch==2.13.0"]],
    "onnxruntime": [["onnxruntime==1.32.0", "onnx==1.23.2"]],
    "openvino": [["openvino==2026.4.1"]],
    "nncf": [["nncf==3.4.0"]],
    "MNN": [["MNN==3.6.1"]],
    "ncnn": [["ncnn==1.0.20261020", "pnnx==20261020"]],
}


def install(requirements):
    """None, or why it failed."""
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode == 0:
        return None
    lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
    return (lines or result.stderr.splitlines() or ["pip failed"])[-1]


def main():
    done = os.path.join(FOLDER, "missing.json")
    if os.path.exists(done) and os.path.getmtime(done) > os.path.getmtime(__file__):
        return
    os.makedirs(FOLDER, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", os.path.join(FOLDER, "venv")], check=True)
    missing = {}
    for peer, choices in PEERS.items():
        print("installing " + peer, flush=True)
        for requirements in choices:
            reason = install(requirements)
            if reason is None:
                break
        if reason is not None:
            missing[peer] = reason
            print(f"  {reason}", flush=True)
    if "numpy" in missing:
        sys.exit("numpy is needed")
    with open(done, "w") as file:
        json.dump(missing, file, indent=2)


if __name__ == "__main__":
    main()
