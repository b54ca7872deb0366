"""Times `resnet serve` beside Python servers that people write around ONNX Runtime and Pillow, all on this machine: a JPEG goes
in, the five most probable classes come out, ResNet-50 in fp32, one worker a processor with one thread.

    make bench-serve                        [OPTIONS="--seconds 10 --turns 3 --only FastAPI"]

Servers run one after the other, in turns; the median counts. Before it is timed, each must give the classes that
`resnet predict` gives. Clients run beside the servers, on the same processors, and cost all of them the same. A peer that
cannot be installed or does not answer is named with the reason.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import serve_peers

ROOT = serve_peers.ROOT
ENDS = "it ends when it starts"
START_SECONDS = 120


def free_port():
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return link.getsockname()[1]


class Contestant:
    """A server in its turns; `reason` says why it cannot take part."""

    def __init__(self, peer):
        self.peer, self.name = peer, peer.name
        self.rates, self.p99, self.reason = [], [], None

    def run(self, folder, wanted, seconds, clients):
        """A turn. What ends while it starts is started anew, twice: Triton's workers have a second to find each other."""
        for _ in range(3):
            self.reason = self.turn(folder, wanted, seconds, clients)
            if self.reason != ENDS:
                break

    def turn(self, folder, wanted, seconds, clients):
        """None, or why it cannot take part."""
        port, workers = free_port(), clients // 2
        serve_peers.settle(folder, port, free_port, workers)
        environment = {**os.environ, "MODEL": f"{folder}/m.onnx", "WORKERS": str(workers), "PYTHONPATH": f"{folder}:{folder}/mls",
                       "BENTOML_DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0", "HOME": folder}
        command = [word.replace("PORT", str(port)).replace("WORKERS", str(workers)) for word in self.peer.command]
        with open(f"{folder}/log", "w+", encoding="utf-8") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
            try:
                reason = self.check(port, process, wanted)
                if reason is None:
                    load(port, self.peer, clients, 2)
                    seen = load(port, self.peer, clients, seconds)
                    if not seen:
                        reason = "it answers nothing under load"
                    else:
                        self.rates.append(len(seen) / seconds)
                        self.p99.append(sorted(seen)[int(0.99 * len(seen))])
            finally:
                end(process)
            if reason:
                log.seek(0)
                print(f"{self.name}: {reason}\n{log.read()[-2000:]}", file=sys.stderr)
            return reason

    def check(self, port, process, wanted):
        """None once it answers as `resnet predict` does, or what is wrong."""
        limit = time.monotonic() + START_SECONDS
        while True:
            try:
                got = self.peer.read(ask(http.client.HTTPConnection("127.0.0.1", port), self.peer))
                break
            except (OSError, http.client.HTTPException, ValueError) as error:
                if process.poll() is not None:
                    return ENDS
                if time.monotonic() > limit:
                    return f"it does not answer: {error}"
                time.sleep(0.2)
        got = [guess["index"] for guess in got][:3]
        return None if got == wanted else f"it answers {got}, not {wanted}"


def end(process):
    """Asks it to stop, then ends all that it started."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def ask(link, peer):
    link.request("POST", peer.path, peer.body, peer.headers)
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise ValueError(text[:300])
    return json.loads(text)


def client(port, peer, seconds, results):
    link = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        begun = time.monotonic()
        try:
            ask(link, peer)
            times.append(time.monotonic() - begun)
        except (OSError, http.client.HTTPException, ValueError):  # a request that is refused or lost does not count
            link.close()
    results.put(times)


def load(port, peer, clients, seconds):
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=client, args=(port, peer, seconds, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    times = [each for _ in processes for each in results.get()]
    for process in processes:
        process.join()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "resnet"))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this peer; may be given again")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    workers = len(os.sched_getaffinity(0))
    with open(os.path.join(ROOT, "tests", "demo.jpg"), "rb") as file:
        picture = file.read()
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *words: subprocess.run([program, *words], check=True, capture_output=True, text=True)
        run("init", "resnet50", "--calibrated", "-o", f"{folder}/bare.safetensors")
        run("convert", f"{folder}/bare.safetensors", "-o", f"{folder}/m.safetensors", "--preset", "torchvision")
        run("export", f"{folder}/m.safetensors", "-o", f"{folder}/m.onnx")
        line = run("predict", f"{folder}/m.safetensors", os.path.join(ROOT, "tests", "demo.jpg"), "--json", "--threads", "1").stdout
        wanted = [guess["index"] for guess in json.loads(line)["top"]][:3]
        ours = Contestant(serve_peers.Peer("resnet serve", None, [program, "serve", f"{folder}/m.safetensors", "--port", "PORT"],
                                           picture))
        others = [Contestant(peer) for peer in serve_peers.peers(folder, picture) if not options.only or peer.name in options.only]
        for each in others:
            each.reason = each.peer.environment.install()
        for _ in range(options.turns):
            for each in [ours, *others]:
                if each.reason is None:
                    each.run(folder, wanted, options.seconds, 2 * workers)
        show(ours, others, workers, options)
    return 1 if ours.reason else 0


def show(ours, others, workers, options):
    cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read()).group(1)
    print(f"{cpu}, {workers} workers, {2 * workers} clients, median of {options.turns} turns of {options.seconds:.0f} s")
    for each in [ours, *others]:
        if each.reason:
            print(f"{each.name:<20}not measured: {each.reason}")
        else:
            print(f"{each.name:<20}{statistics.median(each.rates):8.1f} pictures/s   "
                  f"99th percentile {1000 * statistics.median(each.p99):7.1f} ms")
    rates = [statistics.median(each.rates) for each in others if not each.reason]
    if rates and not ours.reason:
        print(f"resnet serve: {statistics.median(ours.rates) / max(rates):.2f} times the best of the others")


if __name__ == "__main__":
    sys.exit(main())
