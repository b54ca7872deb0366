"""Times a working tree beside another commit of the same repository, on the same machine, in turns.

  make bench-compare BASE=main [OPTIONS="--models resnet50 --batches 1"]

Builds BASE in a work tree below build/compare/ and this tree as `make build` does, then both `resnet bench` take turns.
Prints for each network and batch the medians over the turns and the median of the ratios turn by turn (base by new:
above 1 is faster). The exit status says whether the measurement worked, not what came out: a busy machine is no failed
test.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

NEW = os.path.join("build", "release", "resnet")


def run(*command):
    """Standard output; an error ends the program with the command's own words."""
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"bench-compare: {' '.join(command)}\n{(result.stderr or result.stdout).strip()[-2000:]}")
    return result.stdout.strip()


def build_base(revision, jobs):
    """The program of that commit; built once for each."""
    commit = run("git", "rev-parse", "--verify", "--end-of-options", revision + "^{commit}")
    tree = os.path.join("build", "compare", commit)
    program = os.path.join(tree, "build", "release", "resnet")
    if not os.path.exists(program):
        run("git", "worktree", "prune")
        if not os.path.exists(tree):
            run("git", "worktree", "add", "--detach", tree, commit)
        print(f"building {commit[:10]}", flush=True)
        run("cmake", "-S", tree, "--preset", "release")
        run("cmake", "--build", os.path.join(tree, "build", "release"), "-j", jobs, "--target", "resnet-program")
    return program, commit


def measure(program, arguments, model, batch):
    command = [program, "bench", model, "--batch", str(batch), "--json"]
    for option in ("threads", "precision"):
        if getattr(arguments, option):
            command += ["--" + option, getattr(arguments, option)]
    return json.loads(run(*command))["runs"][0]["median_ms"]


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="a commit, branch or tag")
    parser.add_argument("--models", type=lambda text: text.split(","), default=["resnet18", "resnet50"])
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=[1, 16])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--jobs", default=str(os.cpu_count()), help="of the build")
    parser.add_argument("--threads", help="(one per processor)")
    parser.add_argument("--precision", help="of `resnet bench`, which the base must know as well")
    return parser.parse_args()


def main():
    arguments = options()
    base, commit = build_base(arguments.base, arguments.jobs)
    new = run("git", "describe", "--always", "--dirty")
    print(f"base {commit[:10]}, new {new}; ms a batch, medians of {arguments.turns} turns")
    print(f"{'network':18} {'batch':>5} {'base':>9} {'new':>9} {'ratio':>6}   lowest and highest of the turns")
    for model in arguments.models:
        for batch in arguments.batches:
            turns = []
            for turn in range(arguments.turns):
                order = (base, NEW) if turn % 2 == 0 else (NEW, base)
                times = {program: measure(program, arguments, model, batch) for program in order}
                turns.append((times[base], times[NEW]))
            ratios = [old / new for old, new in turns]
            old, new = (statistics.median(column) for column in zip(*turns))
            print(f"{model:18} {batch:5} {old:9.2f} {new:9.2f} {statistics.median(ratios):6.3f}   "
                  f"{min(ratios):.3f} {max(ratios):.3f}", flush=True)


main()
