"""Times `resnet serve` beside Python servers that people write around ONNX Runtime and Pillow, all on this machine: a JPEG goes
in, the five most probable classes come out, ResNet-50 in fp32, one worker a processor with one thread.

    make bench-serve                        [OPTIONS="--seconds 10 --turns 3"]

Servers run one after the other, in turns; the median counts. Before it is timed, each must give the classes that
`resnet predict` gives. Clients run beside the servers, on the same processors, and cost all of them the same.
"""
import argparse
import base64
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

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
PACKAGES = ["fastapi==0.165.0", "uvicorn==0.54.0", "onnxruntime==1.32.0", "pillow==13.0.0", "numpy==2.4.6", "litserve==0.2.19",
            "bentoml==1.4.40"]

# What all three share: torchvision's way to prepare a picture, and ONNX Runtime with one thread.
MODEL = '''
import io, os
import numpy, onnxruntime
from PIL import Image

class Model:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.mean = numpy.array([0.485, 0.456, 0.406], numpy.float32)
        self.std = numpy.array([0.229, 0.224, 0.225], numpy.float32)

    def __call__(self, body):
        image = Image.open(io.BytesIO(body)).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        pixels = numpy.asarray(image.crop((left, top, left + 224, top + 224)), numpy.float32) / 255
        tensor = ((pixels - self.mean) / self.std).transpose(2, 0, 1)[None]
        scores = self.session.run(None, {self.name: numpy.ascontiguousarray(tensor)})[0][0]
        shares = numpy.exp(scores - scores.max())
        best = numpy.argsort(-scores)[:5]
        return {"top": [{"index": int(i), "probability": float(shares[i] / shares.sum())} for i in best]}
'''

FASTAPI = '''
from fastapi import FastAPI, Request
from model import Model
app = FastAPI()
model = Model()
@app.post("/classify")
async def classify(request: Request):
    return model(await request.body())
'''

LITSERVE = '''
import base64, os, sys
import litserve
from model import Model
class Api(litserve.LitAPI):
    def setup(self, device):
        self.model = Model()
    def decode_request(self, request):
        return base64.b64decode(request["image"])
    def predict(self, body):
        return self.model(body)
    def encode_response(self, answer):
        return answer
if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/classify"), accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
'''

BENTOML = '''
import os
import bentoml
from pathlib import Path
from model import Model
@bentoml.service(workers=int(os.environ["WORKERS"]))
class Service:
    def __init__(self):
        self.model = Model()
    @bentoml.api(route="/classify")
    def classify(self, image: Path) -> dict:
        return self.model(image.read_bytes())
'''


def free_port():
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return link.getsockname()[1]


class Contestant:
    def __init__(self, name, command, body, headers):
        self.name, self.command, self.body, self.headers = name, command, body, headers
        self.rates, self.p99 = [], []

    def run(self, folder, wanted, seconds, clients):
        port = free_port()
        environment = {**os.environ, "MODEL": f"{folder}/m.onnx", "WORKERS": str(clients // 2), "PYTHONPATH": folder,
                       "BENTOML_DO_NOT_TRACK": "1", "HOME": folder}
        process = subprocess.Popen([word.replace("PORT", str(port)) for word in self.command], cwd=folder, env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.check(port, wanted)
            load(port, self.body, self.headers, clients, 2)
            seen = load(port, self.body, self.headers, clients, seconds)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.rates.append(len(seen) / seconds)
        self.p99.append(sorted(seen)[int(0.99 * len(seen))])

    def check(self, port, wanted):
        end = time.monotonic() + 90
        while True:
            try:
                answer = ask(http.client.HTTPConnection("127.0.0.1", port), self.body, self.headers)
                break
            except (OSError, http.client.HTTPException, ValueError):
                if time.monotonic() > end:
                    sys.exit(f"{self.name} does not answer")
                time.sleep(0.2)
        got = [guess["index"] for guess in answer["top"]][:3]
        if got != wanted:
            sys.exit(f"{self.name} answers {got}, not {wanted}")


def ask(link, body, headers):
    link.request("POST", "/classify", body, headers)
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise ValueError(text)
    return json.loads(text)


def client(port, body, headers, seconds, results):
    link = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        ask(link, body, headers)
        times.append(time.monotonic() - begun)
    results.put(times)


def load(port, body, headers, clients, seconds):
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=client, args=(port, body, headers, seconds, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    times = [each for _ in processes for each in results.get()]
    for process in processes:
        process.join()
    return times


def install():
    """The peers, in an environment of their own."""
    folder = os.path.join(ROOT, "build", "peers", "serve-venv")
    if not os.path.exists(f"{folder}/complete"):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([f"{folder}/bin/pip", "install", "--quiet", *PACKAGES], check=True)
        with open(f"{folder}/complete", "w", encoding="ascii"):
            pass
    return os.path.join(folder, "bin")


def contestants(program, bin_folder, folder, workers, picture):
    for name, text in (("model", MODEL), ("fast", FASTAPI), ("lit", LITSERVE), ("bento", BENTOML)):
        with open(f"{folder}/{name}.py", "w", encoding="utf-8") as file:
            file.write(text)
    boundary = {"Content-Type": "multipart/form-data; boundary=b"}
    form = (b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture +
            b"\r\n--b--\r\n")
    encoded = json.dumps({"image": base64.b64encode(picture).decode()}).encode()
    return [Contestant("resnet serve", [program, "serve", f"{folder}/m.safetensors", "--port", "PORT"], picture, {}),
            Contestant("FastAPI", [f"{bin_folder}/uvicorn", "fast:app", "--port", "PORT", "--workers", str(workers)], picture, {}),
            Contestant("LitServe", [f"{bin_folder}/python", "lit.py", "PORT"], encoded, {"Content-Type": "application/json"}),
            Contestant("BentoML", [f"{bin_folder}/bentoml", "serve", "bento:Service", "--port", "PORT"], form, boundary)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "resnet"))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--turns", type=int, default=3)
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
        all_of_them = contestants(program, install(), folder, workers, picture)
        for _ in range(options.turns):
            for each in all_of_them:
                each.run(folder, wanted, options.seconds, 2 * workers)
        cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read()).group(1)
        print(f"{cpu}, {workers} workers, {2 * workers} clients, median of {options.turns} turns of {options.seconds:.0f} s")
        best = max(statistics.median(each.rates) for each in all_of_them[1:])
        for each in all_of_them:
            print(f"{each.name:<16}{statistics.median(each.rates):8.1f} images/s   99th percentile {1000 * statistics.median(each.p99):7.1f} ms")
        print(f"resnet serve: {statistics.median(all_of_them[0].rates) / best:.2f} times the best of the others")


if __name__ == "__main__":
    main()
