"""The share that examples/classify_folder reaches of threads / (decode + engine core-time) pictures a second.

  cmake -S examples -B build/examples -D RESNET_SOURCE=$PWD && cmake --build build/examples
  python3 benchmarks/folder_share.py build/examples/classify_folder MODEL FOLDER [--threads 2] [--turns 7]

In turns, one thread and all of them classify the folder. One thread tells the core-time of decoding and of the engine for a
picture alone; all of them, the rate. Prints each turn and the medians. Core-time is what the processor gave the thread, the
rate is by the clock on the wall: other work on the machine lowers the share, and `had` says how much of the processors
the run was given.
"""
import argparse
import os
import re
import resource
import statistics
import subprocess

LINE = re.compile(r"([\d.]+) a second; core time of one: decode ([\d.]+) ms, engine ([\d.]+) ms")


def turn(arguments, threads):
    """Pictures a second, core-time of decoding and of the engine in seconds, share of the processors that it had."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [arguments.program, arguments.model, arguments.folder, str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate, decode, engine = map(float, LINE.search(done.stderr).groups())
    pictures = int(done.stderr.split()[0])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return rate, decode / 1e3, engine / 1e3, used / (pictures / rate * threads)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    shares = []
    for _ in range(arguments.turns):
        _, decode, engine, alone_had = turn(arguments, 1)
        rate, _, _, had = turn(arguments, arguments.threads)
        bound = arguments.threads / (decode + engine)
        shares.append(rate / bound)
        print(f"one thread: decode {1e3 * decode:.2f} ms, engine {1e3 * engine:.2f} ms of core-time, had {100 * alone_had:.0f} %; "
              f"{arguments.threads} threads: {rate:.2f} pictures/s of {bound:.2f}, had {100 * had:.0f} %: "
              f"{100 * shares[-1]:.1f} %", flush=True)
    print(f"share reached, median of {arguments.turns} turns: {100 * statistics.median(shares):.1f} %, "
          f"best {100 * max(shares):.1f} %")


main()
