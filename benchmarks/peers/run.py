"""Times `resnet` beside every other way to run the same network on this processor, and writes docs/benchmarks.md.

  make bench-peers [OPTIONS="--models resnet18 --batches 1 --turns 3"]

`resnet init` makes each model (or --models names a file), `resnet export` its ONNX file, which the peers take. For each
precision, model and batch all that can run first answer the same input, and one whose answer differs too much is not
timed. Then they take turns of about two seconds each, all with the same number of threads; while one runs the others'
processes are stopped. A figure is the median over the turns of each turn's median; a ratio is the median over the turns
of the best peer's time by our own in that turn.
"""
import argparse
import datetime
import json
import os
import statistics
import sys

import numpy as np

import contestants
import machine
import page
import runtimes
from contestants import Failed, Own, Peer, resnet
from install import FOLDER

WORK = os.path.join(FOLDER, "work")
RESULTS = os.path.join(FOLDER, "results.json")

# How far max|a - b| / max|b| may be from the fp32 answer of `resnet`. int8 hurts random weights more than trained ones.
LIMITS = {"fp32": 1e-3, "bf16": 0.05, "int8": 0.25}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser.add_argument("--models", type=words, default=["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
                        help="names of architectures, or model files")
    parser.add_argument("--batches", type=numbers, default=[1, 16])
    parser.add_argument("--precisions", type=words, default=list(LIMITS), help="of fp32, bf16, int8")
    parser.add_argument("--threads", type=int, default=machine.processors())
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a peer's turn")
    parser.add_argument("--page", default=os.path.join("docs", "benchmarks.md"), help="to renew; - for none")
    result = parser.parse_args()
    if not set(result.precisions) <= set(LIMITS):
        parser.error("--precisions: of " + ", ".join(LIMITS))
    return result


def prepare(name):
    """The model's files: (title, model, ONNX, its input's sizes)."""
    title = os.path.splitext(os.path.basename(name))[0]
    model = name
    if not os.path.exists(name):
        model = os.path.join(WORK, name + ".safetensors")
        resnet("init", name, "--calibrated", "-o", model)
    onnx = os.path.join(WORK, title + ".onnx")
    said = json.loads(resnet("export", model, onnx, "--json"))
    return title, model, onnx, said["input_shape"][1:]


def make_input(sizes, batch):
    path = os.path.join(WORK, f"x-{'x'.join(map(str, (batch, *sizes)))}.npy")
    np.save(path, np.random.default_rng(1).standard_normal((batch, *sizes), np.float32))
    return path


class Round:
    """All contestants at one precision, model and batch."""

    def __init__(self, arguments, missing, precision, model, batch):
        self.title, model_path, onnx, sizes = model
        self.precision, self.batch, self.arguments = precision, batch, arguments
        self.runners, self.absent, self.errors = [], {}, {}
        x = make_input(sizes, batch)
        make_own = lambda precision: Own(model_path, precision, batch, arguments.threads, x, WORK)
        self.expected = make_own("fp32").answer()
        self.enter("resnet", lambda: make_own(precision))
        for runtime in runtimes.ALL.values():
            reason = contestants.why_not(runtime, precision, missing, machine.cpu_features())
            if reason:
                self.absent[runtime.title] = reason
            else:
                self.enter(runtime.title, lambda: Peer(runtime, onnx, precision, batch, arguments.threads, x, WORK))

    def enter(self, title, make):
        """Lets in a contestant that gives the right answer."""
        runner = None
        try:
            runner = make()
            answer = runner.answer()
            if answer.shape != self.expected.shape:
                raise Failed(f"logits of shape {answer.shape}")
            error = float(np.abs(answer - self.expected).max() / np.abs(self.expected).max())
            if not error < LIMITS[self.precision]:
                raise Failed(f"another answer: it differs by {error:.1e} of the largest logit")
            self.errors[title] = error
            self.runners.append(runner)
        except Failed as failure:
            self.absent[title] = str(failure)
            if isinstance(runner, Peer):
                runner.stop()

    def play(self):
        """title -> milliseconds of a batch, one for each turn."""
        times = {runner.title: [] for runner in self.runners}
        for turn in range(self.arguments.turns):
            start = turn % max(1, len(self.runners))
            for runner in self.runners[start:] + self.runners[:start]:
                times[runner.title].append(runner.time(self.arguments.seconds))
        return times

    def stop(self):
        for runner in self.runners:
            runner.stop()

    def result(self):
        try:
            times = self.play()
        finally:
            self.stop()
        return {"model": self.title, "batch": self.batch, "precision": self.precision, "turns_ms": times,
                "errors": self.errors, "absent": self.absent}


def show(result):
    print(f"\n{result['model']}, batch {result['batch']}, {result['precision']}")
    for title, turns in sorted(result["turns_ms"].items(), key=lambda item: statistics.median(item[1])):
        low, middle, high = (time / result["batch"] for time in (min(turns), statistics.median(turns), max(turns)))
        print(f"  {title:14} {middle:8.2f} ms a picture   {low:.2f} to {high:.2f}   error {result['errors'][title]:.1e}")
    for title, reason in result["absent"].items():
        print(f"  {title:14} {reason}")
    best = page.ratio(result)
    if best:
        print(f"  ratio {best.middle:.2f} ({best.low:.2f} to {best.high:.2f}) against {best.peer}", flush=True)


def main():
    arguments = options()
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(FOLDER, "missing.json")) as file:
        missing = json.load(file)
    versions = {runtime.title: runtimes.version(runtime) for runtime in runtimes.ALL.values()
                if runtime.package not in missing}
    report = {"machine": machine.describe(), "date": datetime.date.today().isoformat(), "threads": arguments.threads,
              "turns": arguments.turns, "resnet": resnet("--version").split()[1], "versions": versions, "results": []}
    print(f"{report['machine']}; {arguments.threads} threads")
    for name in arguments.models:
        model = prepare(name)
        for precision in arguments.precisions:
            for batch in arguments.batches:
                report["results"].append(Round(arguments, missing, precision, model, batch).result())
                show(report["results"][-1])
                with open(RESULTS, "w") as file:  # so that a run that is stopped leaves what it had
                    json.dump(report, file, indent=1)
    if arguments.page != "-":
        page.renew(arguments.page, "peers", page.tables(report))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench-peers: {failure}")
