"""Python servers that people write around ONNX Runtime and Pillow: what each runs, and the environment that it needs. All
share one `Model`: torchvision's way to prepare a picture, and ONNX Runtime with one thread; each has a worker a processor.
"""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
COMMON = ["onnxruntime==1.32.0", "pillow==13.0.0"]

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

RAY = '''
import os, signal, sys
import ray
from ray import serve
from model import Model
workers = int(os.environ["WORKERS"])
@serve.deployment(num_replicas=workers, max_ongoing_requests=2, ray_actor_options={"num_cpus": 1})
class Service:
    def __init__(self):
        self.model = Model()
    async def __call__(self, request):
        return self.model(await request.body())
ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False, _node_ip_address="127.0.0.1",
         runtime_env={"env_vars": {name: os.environ[name] for name in ("MODEL", "PYTHONPATH", "WORKERS")}})
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "access_log": False})
serve.run(Service.bind(), route_prefix="/classify")
signal.sigwait([signal.SIGTERM])
ray.shutdown()
'''

MLSERVER = '''
import json
from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceResponse
from model import Model
class Runtime(MLModel):
    async def load(self):
        self.model = Model()
        return True
    async def predict(self, payload):
        (body,) = Base64Codec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("top", [json.dumps(self.model(body))])])
'''

# Triton's server with its Python backend, as the wheel of nvidia-pytriton holds it.
TRITON = '''
import os, sys
import numpy
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from model import Model
class Instance:
    def __init__(self):
        self.model = Model()
    def __call__(self, requests):
        tops = [self.model(request["image"].tobytes())["top"] for request in requests]
        return [{"index": numpy.array([guess["index"] for guess in top], numpy.int32),
                 "probability": numpy.array([guess["probability"] for guess in top], numpy.float32)} for top in tops]
if __name__ == "__main__":
    port = int(sys.argv[1])
    config = TritonConfig(http_address="127.0.0.1", http_port=port, allow_grpc=False, allow_metrics=False)
    with Triton(config=config) as triton:
        triton.bind("net", [Instance() for _ in range(int(os.environ["WORKERS"]))],
                    inputs=[Tensor(name="image", dtype=numpy.uint8, shape=(-1,))],
                    outputs=[Tensor(name="index", dtype=numpy.int32, shape=(-1,)),
                             Tensor(name="probability", dtype=numpy.float32, shape=(-1,))],
                    config=ModelConfig(batching=False), strict=True)
        triton.serve()
'''


class Environment:
    """Packages in a virtual environment of their own, build/peers/NAME; `bin` is its folder of programs."""

    def __init__(self, name, packages, python=sys.executable):
        self.folder, self.packages, self.python = os.path.join(ROOT, "build", "peers", name), packages, python
        self.bin = os.path.join(self.folder, "bin")

    def install(self):
        """None, or why it failed."""
        done = os.path.join(self.folder, "complete")
        wanted = "\n".join(self.packages)
        if os.path.exists(done) and open(done, encoding="ascii").read() == wanted:
            return None
        print(f"installing {', '.join(self.packages)}", flush=True)
        for command in ([self.python, "-m", "venv", "--clear", self.folder],
                        [f"{self.bin}/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.packages]):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
                return (lines or result.stderr.splitlines() or ["it cannot be installed"])[-1]
        with open(done, "w", encoding="ascii") as file:
            file.write(wanted)
        return None


class Peer:
    """A server: the command, where PORT stands for its port, the request that it takes, and how its answer is read."""

    def __init__(self, name, environment, command, body, headers=None, path="/classify", read=lambda answer: answer["top"]):
        self.name, self.environment, self.command = name, environment, command
        self.body, self.headers, self.path, self.read = body, headers or {}, path, read


def triton_python():
    """The wheel's Python backend brings an older 3.11 than some have, whose standard library it then does not understand."""
    system = "/usr/bin/python3"
    return system if shutil.which(system) else sys.executable


def peers(folder, picture):
    """All of them; their programs are written to `folder`."""
    programs = {"model": MODEL, "fast": FASTAPI, "lit": LITSERVE, "bento": BENTOML, "rays": RAY, "tri": TRITON,
                "mls/runtime": MLSERVER}
    os.makedirs(f"{folder}/mls")
    for name, text in programs.items():
        with open(f"{folder}/{name}.py", "w", encoding="utf-8") as file:
            file.write(text)
    encoded = base64.b64encode(picture).decode()
    in_json = {"Content-Type": "application/json"}
    form = (b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture +
            b"\r\n--b--\r\n")
    v2 = json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [encoded]}]}).encode()
    head = json.dumps({"inputs": [{"name": "image", "datatype": "UINT8", "shape": [len(picture)],
                                   "parameters": {"binary_data_size": len(picture)}}]}).encode()

    def read_triton(answer):
        values = {output["name"]: output["data"] for output in answer["outputs"]}
        return [{"index": index, "probability": share} for index, share in zip(values["index"], values["probability"])]

    web = Environment("serve-venv", ["fastapi==0.165.0", "uvicorn==0.54.0", "litserve==0.2.19", "bentoml==1.4.40",
                                     "numpy==2.4.6", *COMMON])
    rays = Environment("ray", ["ray[data,serve]==2.60.0", "numpy==2.4.6", *COMMON])
    mls = Environment("mlserver", ["mlserver==1.7.1", "uvloop==0.21.0", *COMMON])
    triton = Environment("pytriton", ["nvidia-pytriton==0.7.0", *COMMON], triton_python())
    return [Peer("FastAPI", web, [f"{web.bin}/uvicorn", "fast:app", "--port", "PORT", "--workers", "WORKERS"], picture),
            Peer("LitServe", web, [f"{web.bin}/python", "lit.py", "PORT"], json.dumps({"image": encoded}).encode(), in_json),
            Peer("BentoML", web, [f"{web.bin}/bentoml", "serve", "bento:Service", "--port", "PORT"], form,
                 {"Content-Type": "multipart/form-data; boundary=b"}),
            Peer("Ray Serve", rays, [f"{rays.bin}/python", "rays.py", "PORT"], picture),
            Peer("MLServer", mls, [f"{mls.bin}/mlserver", "start", "mls"], v2, in_json, "/v2/models/net/infer",
                 lambda answer: json.loads(answer["outputs"][0]["data"][0])["top"]),
            Peer("Triton (pytriton)", triton, [f"{triton.bin}/python", "tri.py", "PORT"], head + picture,
                 {"Inference-Header-Content-Length": str(len(head))}, "/v2/models/net/infer", read_triton)]


def settle(folder, port, free_port, workers):
    """MLServer reads its ports from files."""
    files = {"settings": {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                          "parallel_workers": workers, "debug": False},
             "model-settings": {"name": "net", "implementation": "runtime.Runtime"}}
    for name, values in files.items():
        with open(f"{folder}/mls/{name}.json", "w", encoding="utf-8") as file:
            json.dump(values, file)


if __name__ == "__main__":  # installs what these need: serve_peers.py NAME...
    with tempfile.TemporaryDirectory() as place:
        failed = {peer.name: peer.environment.install() for peer in peers(place, b"") if peer.name in sys.argv[1:]}
    print("".join(f"{name}: {reason}\n" for name, reason in failed.items() if reason), end="")
    sys.exit(1 if any(failed.values()) else 0)
