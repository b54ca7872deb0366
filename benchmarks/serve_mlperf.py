"""Runs MLPerf's LoadGen against `resnet serve` over the loopback: the Offline scenario, which says how many pictures a second
the server answers when all are there at once, then the Server scenario, in which requests come as they like (Poisson) at a
share of that. The bound on the 99th percentile is seven times the time that one request takes on its worker.

    make bench-serve-mlperf          [OPTIONS="--seconds 60 --share 0.8 --bound 7"]

LoadGen is MLCommons' own (mlcommons-loadgen, installed into build/peers/loadgen) and judges by itself whether a run is VALID.
Network and data are ours: ResNet-50 with random weights, a JPEG in, classes out; so the figures are no MLPerf results. The
client runs beside the server, on the same processors.
"""
import argparse
import http.client
import importlib.util
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PACKAGES = ["mlcommons-loadgen==6.0.17"]


def use_loadgen():
    """Goes on with a Python that has LoadGen."""
    if importlib.util.find_spec("mlperf_loadgen"):
        return
    folder = os.path.join(ROOT, "build", "peers", "loadgen")
    python = os.path.join(folder, "bin", "python3")
    if os.path.abspath(sys.executable) == os.path.abspath(python):
        sys.exit(f"{folder}: LoadGen is not there; remove the folder and start anew")
    if not os.path.exists(os.path.join(folder, "complete")):
        print("installing LoadGen", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        with open(os.path.join(folder, "complete"), "w", encoding="ascii"):
            pass
    os.execv(python, [python, *sys.argv])


class Client:
    """Sends each sample as a request, on so many connections, and tells LoadGen when its answer is there."""

    def __init__(self, loadgen, port, picture, wanted, connections):
        self.loadgen, self.port, self.picture, self.wanted = loadgen, port, picture, wanted
        self.samples, self.wrong = queue.SimpleQueue(), []
        self.threads = [threading.Thread(target=self.work) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def issue(self, samples):
        for sample in samples:
            self.samples.put(sample.id)

    def work(self):
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        while (identity := self.samples.get()) is not None:
            try:
                link.request("POST", "/classify", self.picture)
                answer = link.getresponse()
                body = answer.read()
                if answer.status != 200 or json.loads(body)["top"] != self.wanted:
                    self.wrong.append((answer.status, body[:200]))
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                link.close()
            self.loadgen.QuerySamplesComplete([self.loadgen.QuerySampleResponse(identity, 0, 0)])
        link.close()

    def end(self):
        for _ in self.threads:
            self.samples.put(None)
        for thread in self.threads:
            thread.join()


def test(loadgen, settings, client, folder):
    """Runs LoadGen and gives its summary."""
    under_test = loadgen.ConstructSUT(client.issue, lambda: None)
    library = loadgen.ConstructQSL(1, 1, lambda _: None, lambda _: None)
    logs = loadgen.LogSettings()
    logs.log_output.outdir = folder
    logs.log_output.copy_summary_to_stdout = False
    logs.enable_trace = False
    loadgen.StartTestWithLogSettings(under_test, library, settings, logs)
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(under_test)
    client.end()
    if client.wrong:
        sys.exit(f"{len(client.wrong)} answers are wrong, the first: {client.wrong[0]}")
    with open(os.path.join(folder, "mlperf_log_summary.txt"), encoding="utf-8") as file:
        return file.read()


def number(summary, name):
    return float(re.search(rf"^{re.escape(name)}\s*: ([\d.e+]+)", summary, re.MULTILINE).group(1))


def verdict(summary):
    """VALID, or INVALID with what LoadGen misses."""
    missed = re.findall(r"^ *(.*?) *satisfied *: *N", summary, re.MULTILINE | re.IGNORECASE)
    return re.search(r"Result is : (\w+)", summary).group(1) + (f" ({', '.join(missed)})" if missed else "")


def offline(loadgen, seconds, expected):
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Offline
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.offline_expected_qps = expected
    settings.min_duration_ms = int(1000 * seconds)
    settings.min_query_count = 1
    return settings


def server(loadgen, seconds, rate, bound):
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = rate
    settings.server_target_latency_ns = int(1e9 * bound)
    settings.server_target_latency_percentile = 0.99
    settings.min_duration_ms = int(1000 * seconds)
    settings.min_query_count = 1
    return settings


def start(program, model):
    """The server and its port; its queue is long enough for LoadGen, which wants each request answered."""
    process = subprocess.Popen([program, "serve", f"net={model}", "--port", "0", "--queue", "1000", "--no-page"],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        match = re.search(r"http://127.0.0.1:(\d+)", line)
        if match:
            return process, int(match.group(1))
    sys.exit("the server does not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "resnet"))
    parser.add_argument("--seconds", type=float, default=60, help="of each scenario")
    parser.add_argument("--share", type=float, default=0.8, help="of the Offline rate, at which requests come")
    parser.add_argument("--bound", type=float, default=7, help="on the 99th percentile, in service times")
    options = parser.parse_args()
    use_loadgen()
    import mlperf_loadgen as loadgen

    workers = len(os.sched_getaffinity(0))
    image = os.path.join(ROOT, "tests", "demo.jpg")
    with open(image, "rb") as file:
        picture = file.read()
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *words: subprocess.run([options.program, *words], check=True, capture_output=True, text=True).stdout
        run("init", "resnet50", "--calibrated", "-o", f"{folder}/bare.safetensors")
        run("convert", f"{folder}/bare.safetensors", "-o", f"{folder}/m.safetensors", "--preset", "torchvision")
        wanted = json.loads(run("predict", f"{folder}/m.safetensors", image, "--json", "--threads", "1"))["top"]
        process, port = start(options.program, f"{folder}/m.safetensors")
        try:
            make = lambda connections: Client(loadgen, port, picture, wanted, connections)
            guess = number(test(loadgen, offline(loadgen, 2, 10), make(2 * workers), folder), "Samples per second")
            summary = test(loadgen, offline(loadgen, options.seconds, guess), make(2 * workers), folder)
            best = number(summary, "Samples per second")
            service = workers / best
            cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read()).group(1)
            print(f"{cpu}, {workers} workers, ResNet-50 fp32, {options.seconds:.0f} s a scenario")
            print(f"Offline: {verdict(summary)}, {best:.1f} pictures/s; a request takes {1000 * service:.1f} ms on its worker")
            settings = server(loadgen, options.seconds, options.share * best, options.bound * service)
            summary = test(loadgen, settings, make(200), folder)
            late = number(summary, "99.00 percentile latency (ns)") / 1e9
            print(f"Server at {100 * options.share:.0f} % of that, 99 % within {options.bound:g} times {1000 * service:.1f} ms: "
                  f"{verdict(summary)}, {number(summary, 'Completed samples per second'):.1f} pictures/s, "
                  f"99th percentile {1000 * late:.0f} ms ({late / service:.2f} times)")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
    return 0 if verdict(summary).startswith("VALID") else 1


if __name__ == "__main__":
    sys.exit(main())
