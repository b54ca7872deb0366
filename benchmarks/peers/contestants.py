"""Who is timed: `resnet` itself, and each peer in a process that stands still while it is not its turn."""
import json
import os
import signal
import statistics
import subprocess
import sys

import numpy as np

import runtimes

RESNET = os.environ.get("RESNET", os.path.join("build", "release", "resnet"))
HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """Why a contestant cannot take part."""


def resnet(*arguments):
    result = subprocess.run([RESNET, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(result.stderr.strip().splitlines()[-1].removeprefix("resnet: "))  # notes come before
    return result.stdout


class Own:
    title = "resnet"

    def __init__(self, model, precision, batch, threads, x, folder):
        self.model, self.batch, self.threads, self.x = model, batch, threads, x
        self.options = ["--precision", precision]
        if precision == "int8":
            self.model = self.quantized(model, np.load(x).shape[1:], folder)

    @staticmethod
    def quantized(model, sizes, folder):
        """All of it in int8, whatever it costs: as the peers, whose calibration sees the same pictures."""
        path = os.path.join(folder, os.path.splitext(os.path.basename(model))[0] + ".int8.safetensors")
        if not os.path.exists(path):
            pictures = os.path.join(folder, "pictures-" + "x".join(map(str, sizes)), "any")
            os.makedirs(pictures, exist_ok=True)
            for i, picture in enumerate(runtimes.calibration(sizes)):
                np.save(os.path.join(pictures, f"{i}.npy"), picture)
            resnet("quantize", model, os.path.dirname(pictures), "-o", path, "--min-agreement", "0")
        return path

    def answer(self):
        out = resnet("predict", self.model, self.x, "--logits", "--json", "--threads", self.threads, *self.options)
        return np.array([json.loads(line)["logits"] for line in out.splitlines()], np.float32)

    def time(self, _seconds):
        """Median of a run in milliseconds; `resnet bench` takes about two seconds."""
        out = resnet("bench", self.model, "--batch", self.batch, "--threads", self.threads, "--json", *self.options)
        return json.loads(out)["runs"][0]["median_ms"]

    def stop(self):
        pass


class Peer:
    def __init__(self, runtime, onnx, precision, batch, threads, x, folder):
        self.title = runtime.title
        log = os.path.join(folder, f"{runtime.__name__}-{precision}-{batch}-{os.path.basename(onnx)}.log")
        self.answer_path = log.removesuffix(".log") + ".npy"
        command = [sys.executable, os.path.join(HERE, "worker.py"), runtime.__name__, precision, str(threads), onnx, x,
                   folder]
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        with open(log, "w") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            text=True, env=environment, start_new_session=True)
        self.take("")
        self.signal(signal.SIGSTOP)

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def take(self, line):
        """Sends a line, if any, and returns the answer."""
        if line:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Failed(f"ended with status {self.process.wait()}")
        message = json.loads(answer)
        if "error" in message:
            self.process.wait()
            raise Failed(message["error"])
        return message

    def on_its_turn(self, line):
        self.signal(signal.SIGCONT)
        message = self.take(line)
        self.signal(signal.SIGSTOP)
        return message

    def answer(self):
        self.on_its_turn("answer " + self.answer_path)
        return np.load(self.answer_path)

    def time(self, seconds):
        return statistics.median(self.on_its_turn(f"time {seconds} 5")["ms"])

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()


def why_not(runtime, precision, missing, features):
    """The reason why a peer does not run at a precision on this processor; None where it can."""
    if precision not in runtime.precisions:
        return f"no {precision}"
    needs = [runtime.package] + (["nncf"] if (runtime.package, precision) == ("openvino", "int8") else [])
    for package in needs:
        if package in missing:
            return f"{package} could not be installed: {missing[package]}"
    if precision == "bf16" and not features & {"avx512_bf16", "amx_bf16"}:
        return "this processor has no bf16 arithmetic"
    return None
