"""Measures the server on this machine, on the loopback: what a request costs beside decoding and network, how it compares
with engines side by side, three times too much load, idle connections, start, memory over many requests.

    python3 benchmarks/serve.py build/release/resnet [--quick]

Clients run in processes of their own; their processor time is not counted. Prints one line a figure.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


class Server:
    def __init__(self, program, *arguments):
        begun = time.monotonic()
        self.process = subprocess.Popen([program, "serve", *map(str, arguments), "--port", "0"], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            match = re.search(r"http://127.0.0.1:(\d+)", line)
            if match:
                self.port = int(match.group(1))
                break
        self.start_ms = 1000 * (time.monotonic() - begun)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def metrics(self):
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
        link.close()
        values = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def phase(self, values, name):
        return sum(v for k, v in values.items() if k.startswith("resnet_request_phase_seconds_sum") and f'phase="{name}"' in k)


def client(port, path, body, headers, seconds, gap, results):
    """Asks without a pause, or every `gap` seconds, and gives (status, seconds) of each request."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    seen = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            link.request("POST", path, body, headers)
            answer = link.getresponse()
            answer.read()
            seen.append((answer.status, time.monotonic() - begun))
        except OSError:
            seen.append((0, time.monotonic() - begun))
            link.close()
        if gap:
            time.sleep(max(0, gap - (time.monotonic() - begun)))
    results.put(seen)


def load(port, path, body, headers, clients, seconds, gap=0):
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=client, args=(port, path, body, headers, seconds, gap, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    seen = [each for _ in processes for each in results.get()]
    for process in processes:
        process.join()
    return seen


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def show(name, text):
    print(f"{name:<52}{text}", flush=True)


def cost(program, model, kind, body, path, headers, seconds):
    """Processor time of the server beyond decoding and network, with one worker and one client."""
    with Server(program, model, "--workers", 1) as s:
        load(s.port, path, body, headers, 1, 1)
        before = s.metrics()
        seen = load(s.port, path, body, headers, 1, seconds)
        after = s.metrics()
        cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
        inside = sum(s.phase(after, name) - s.phase(before, name) for name in ("decode", "infer"))
        rest = (cpu - inside) / len(seen)
        show(f"beyond decoding and network, {kind}", f"{1e6 * rest:.0f} us of {1e3 * cpu / len(seen):.2f} ms a request")


def throughput(program, model, body, path, headers, seconds):
    """The server's requests in a second of processor time beside the same network's in one-thread engines."""
    workers = len(os.sched_getaffinity(0))
    with Server(program, model) as s:
        load(s.port, path, body, headers, workers, 1)
        before = s.metrics()
        seen = load(s.port, path, body, headers, 2 * workers, seconds)
        after = s.metrics()
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    infer = s.phase(after, "infer") - s.phase(before, "infer")
    rate = sum(status == 200 for status, _ in seen) / seconds
    show("requests a second, all workers", f"{rate:.1f}; the network takes {100 * infer / cpu:.1f} % of the processor time")


def overload(program, model, body, path, headers, seconds):
    workers = len(os.sched_getaffinity(0))
    with Server(program, model) as s:
        alone = load(s.port, path, body, headers, workers, max(3, seconds / 10))
        rate = sum(status == 200 for status, _ in alone) / max(3, seconds / 10)
        before = s.metrics()["process_resident_memory_bytes"]
        clients = 16 * workers
        seen = load(s.port, path, body, headers, clients, seconds, gap=clients / (3 * rate))
        after = s.metrics()["process_resident_memory_bytes"]
    good = sum(status == 200 for status, _ in seen) / seconds
    refused = [1000 * t for status, t in seen if status == 503]
    others = sum(status not in (200, 503) for status, _ in seen)
    show("three times too much load: answers of what it can", f"{100 * good / rate:.1f} %; {others} lost")
    show("... refusals, 99th percentile", f"{percentile(refused, 0.99):.1f} ms of {len(refused)}")
    show("... memory", f"{(after - before) / 1e6:+.1f} MB")


def idle(program, model, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 1000), hard))
    with Server(program, model) as s:
        before = s.metrics()["process_resident_memory_bytes"]
        links = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(count)]
        for link in links:
            link.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            link.recv(1000)
        after = s.metrics()["process_resident_memory_bytes"]
        show(f"{count} idle connections that have asked once", f"{(after - before) / 1e6:.1f} MB")
        for link in links:
            link.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def growth(program, model, body, path, headers, seconds):
    with Server(program, model) as s:
        load(s.port, path, body, headers, 4, 3)
        before = s.metrics()
        load(s.port, path, body, headers, 4, seconds)
        after = s.metrics()
        count = after["resnet_http_requests_total"] - before["resnet_http_requests_total"]
        more = after["process_resident_memory_bytes"] - before["process_resident_memory_bytes"]
        show(f"memory after {count:.0f} requests more", f"{more / 1e6:+.2f} MB")


def poisson(program, model, body, path, headers, seconds):
    """Requests that come as they like, at 80 % of what it can, beside a queue with as many workers and the same service
    times, simulated with the same arrivals."""
    workers = len(os.sched_getaffinity(0))
    with Server(program, model) as s:
        load(s.port, path, body, headers, workers, 1)
        alone = load(s.port, path, body, headers, workers, max(4, seconds / 4))
        service = sum(t for _, t in alone) / len(alone)
        rate = 0.8 * workers / service
        source = random.Random(1)
        arrivals, at = [], 0.0
        while at < seconds:
            at += source.expovariate(rate)
            arrivals.append(at)
        seen = []

        def ask():
            begun = time.monotonic()
            link = http.client.HTTPConnection("127.0.0.1", s.port)
            link.request("POST", path, body, headers)
            link.getresponse().read()
            link.close()
            seen.append(time.monotonic() - begun)

        threads = []
        begun = time.monotonic()
        for at in arrivals:
            time.sleep(max(0, begun + at - time.monotonic()))
            threads.append(threading.Thread(target=ask))
            threads[-1].start()
        for thread in threads:
            thread.join()
    free = [0.0] * workers
    simulated = []
    for at in arrivals:
        worker = min(range(workers), key=free.__getitem__)
        free[worker] = max(free[worker], at) + service
        simulated.append(free[worker] - at)
    ratios = [percentile(seen, share) / percentile(simulated, share) for share in (0.5, 0.99)]
    show("Poisson at 80 %: 50th and 99th percentile", f"{1000 * percentile(seen, 0.5):.0f} and {1000 * percentile(seen, 0.99):.0f} ms, "
         f"{ratios[0]:.2f} and {ratios[1]:.2f} times a simulated queue's")


def reloads(program, model, body, count):
    """All models are loaded anew again and again while two clients ask."""
    with Server(program, f"a={model}", f"b={model}") as s:
        path = "/classify?model=a"
        alone = [t for _, t in load(s.port, path, body, {}, 2, 5)]
        results = multiprocessing.Queue()
        seconds = count * 0.1 + 1
        clients = [multiprocessing.Process(target=client, args=(s.port, path, body, {}, seconds, 0, results)) for _ in range(2)]
        for process in clients:
            process.start()
        for _ in range(count):
            s.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        seen = [each for _ in clients for each in results.get()]
        for process in clients:
            process.join()
        loads = s.metrics()["resnet_model_loads_total"]
    lost = sum(status != 200 for status, _ in seen)
    ratio = percentile([t for _, t in seen], 0.99) / percentile(alone, 0.99)
    show(f"{loads / 2 - 1:.0f} reloads under load", f"{lost} of {len(seen)} requests lost; 99th percentile {ratio:.2f} times that without")


def start(program, model):
    times, sizes = [], []
    for _ in range(5):
        with Server(program, model, "--workers", 2) as s:
            times.append(s.start_ms)
            sizes.append(s.metrics()["process_resident_memory_bytes"])
    show("exec to ready, ResNet-50, median of 5", f"{statistics.median(times):.0f} ms")
    show("memory then, 2 workers", f"{max(sizes) / 1e6:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    options = parser.parse_args()
    seconds = 4 if options.quick else 20
    with tempfile.TemporaryDirectory() as folder:
        large = f"{folder}/resnet50.safetensors"
        subprocess.run([options.program, "init", "resnet50", "--calibrated", "-o", large], check=True, stdout=subprocess.DEVNULL)
        small = os.path.join(ROOT, "models", "resnet20-cifar10.safetensors")
        with open(os.path.join(ROOT, "tests", "demo.jpg"), "rb") as file:
            picture = file.read()
        tensor = bytes(4 * 3 * 224 * 224)
        raw = {"Inference-Header-Content-Length": "0"}
        start(options.program, large)
        # A network of little work, beside which the rest can be seen.
        light = f"{folder}/light.safetensors"
        subprocess.run([options.program, "init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--classes", "1000",
                        "--calibrated", "-o", light], check=True, stdout=subprocess.DEVNULL)
        cost(options.program, light, "a JPEG", picture, "/classify", {}, seconds)
        cost(options.program, light, "a tensor of 602 KB", tensor, "/v2/models/light/infer", raw, seconds)
        throughput(options.program, large, picture, "/classify", {}, seconds)
        poisson(options.program, large, picture, "/classify", {}, 2 * seconds)
        overload(options.program, large, picture, "/classify", {}, seconds)
        reloads(options.program, small, picture, 40 if options.quick else 200)
        idle(options.program, small, 10_000)
        growth(options.program, small, picture, "/classify", {}, 3 * seconds)


if __name__ == "__main__":
    sys.exit(main())
