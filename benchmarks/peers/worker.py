"""One peer in a process of its own: makes it ready, then answers or times itself when told so on standard input.

  worker.py RUNTIME PRECISION THREADS MODEL.onnx X.npy FOLDER

Prints one JSON object a line: first {"ready": true}, then for each line that it reads
  answer PATH           saves the logits: {"saved": PATH}
  time SECONDS RUNS     {"ms": [...]}, each run's time, for so long and so many at least
and {"error": "..."} where something goes wrong. What the libraries print goes to standard error.
"""
import json
import os
import sys
import time

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**message):
    print(json.dumps(message), file=out, flush=True)


def timed(run, seconds, runs):
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(times) < runs:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main():
    import numpy as np

    import runtimes

    name, precision, threads, onnx, x, folder = sys.argv[1:]
    job = runtimes.Job(onnx, precision, np.load(x), int(threads), folder)  # whose memory some runtimes go on using
    runner = runtimes.ALL[name](job)
    for _ in range(3):
        runner.run()
    say(ready=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "answer":
            np.save(arguments[0], np.asarray(runner.run(), np.float32))
            say(saved=arguments[0])
        elif command == "time":
            say(ms=timed(runner.run, float(arguments[0]), int(arguments[1])))


try:
    main()
except Exception as error:
    say(error=f"{type(error).__name__}: {error}".splitlines()[0])
    raise
