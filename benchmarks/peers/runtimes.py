"""The peers: how each takes the exported network, in which precisions, and runs it.

A runtime is a class with a title, the package that it needs, and the precisions that it has. Its constructor gets a Job
and does all that is done once; run() computes the job's batch and returns the logits. Everything here runs in the
peer's own process.
"""
import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys

import numpy as np


@dataclasses.dataclass
class Job:
    onnx: str  # the file that `resnet export` wrote
    precision: str
    x: np.ndarray  # batch x channels x height x width
    threads: int
    folder: str  # for what is made once for a model, such as a quantised copy

    def made(self, name, make):
        """The path of a file in the folder, made by make(path) where it is not there yet."""
        stem = os.path.splitext(os.path.basename(self.onnx))[0]
        path = os.path.join(self.folder, f"{stem}.{name}")
        if not os.path.exists(path):
            make(path)
        return path


def calibration(sizes, count=32):
    """Pictures of the kind that is timed, each 1 x channels x height x width."""
    random = np.random.default_rng(7)
    return [random.standard_normal((1, *sizes), np.float32) for _ in range(count)]


def tool(name, *arguments):
    """Runs a program that a package has put beside the interpreter."""
    subprocess.run([os.path.join(os.path.dirname(sys.executable), name), *arguments], check=True, stdout=sys.stderr)


class OnnxRuntime:
    title, package, precisions = "ONNX Runtime", "onnxruntime", ("fp32", "int8")

    def __init__(self, job):
        import onnxruntime

        path = job.made("qdq.onnx", lambda path: self.quantize(job, path)) if job.precision == "int8" else job.onnx
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job.threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.x = {"input": job.x}

    @staticmethod
    def quantize(job, path):
        """Static, QDQ, scales per channel. Batch norms are folded first, as its documentation asks."""
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.pictures = iter(calibration(job.x.shape[1:]))

            def get_next(self):
                picture = next(self.pictures, None)
                return None if picture is None else {"input": picture}

        quant_pre_process(job.onnx, path + ".folded")
        quantize_static(path + ".folded", path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
        os.remove(path + ".folded")

    def run(self):
        return self.session.run(None, self.x)[0]


class OpenVino:
    title, package, precisions = "OpenVINO", "openvino", ("fp32", "bf16", "int8")

    def __init__(self, job):
        import openvino

        core = openvino.Core()
        path = job.made("nncf.xml", lambda path: self.quantize(job, path)) if job.precision == "int8" else job.onnx
        model = core.read_model(path)
        model.reshape(list(job.x.shape))
        settings = {"INFERENCE_NUM_THREADS": job.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_PRECISION_HINT": "bf16" if job.precision == "bf16" else "f32"}
        self.model = core.compile_model(model, "CPU", settings)
        self.request = self.model.create_infer_request()
        self.x = job.x

    @staticmethod
    def quantize(job, path):
        import nncf
        import openvino

        model = openvino.Core().read_model(job.onnx)
        pictures = calibration(job.x.shape[1:])
        quantized = nncf.quantize(model, nncf.Dataset(pictures), preset=nncf.QuantizationPreset.MIXED,
                                  subset_size=len(pictures))
        openvino.save_model(quantized, path, compress_to_fp16=False)

    def run(self):
        return self.request.infer([self.x], share_inputs=True, share_outputs=True)[0]


class Torch:
    """torch.compile with freezing. The network is that of tests/reference/models.py, the weights are the file's."""

    title, package, precisions = "PyTorch", "torch", ("fp32", "bf16")

    def __init__(self, job):
        os.environ["TORCHINDUCTOR_FREEZING"] = "1"
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        import torch

        torch.set_num_threads(job.threads)
        dtype = torch.bfloat16 if job.precision == "bf16" else torch.float32
        self.torch = torch
        self.model = torch.compile(self.network(job).to(dtype))
        self.x = torch.from_numpy(job.x).to(dtype)
        self.run()

    @staticmethod
    def network(job):
        import onnx
        import torch
        from onnx import numpy_helper

        sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tests", "reference"))
        import models

        proto = onnx.load(job.onnx)
        said = {entry.key: entry.value for entry in proto.metadata_props}
        fields = json.loads(said["resnet.architecture"])
        layout = fields.pop("layout")
        known = {field.name for field in dataclasses.fields(models.Options)}
        options = models.Options(**{name: value for name, value in fields.items() if name in known})
        model = models.build(options, layout=layout)
        tensors = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
                   for tensor in proto.graph.initializer}
        absent, unexpected = model.load_state_dict(tensors, strict=False)
        assert all(name.endswith("num_batches_tracked") for name in absent), absent
        assert all(".downsample." in name for name in unexpected), unexpected  # sizes of option A's slices
        return model.eval()

    def run(self):
        with self.torch.inference_mode():
            return self.model(self.x).float().numpy()


class Mnn:
    title, package, precisions = "MNN", "MNN", ("fp32",)

    def __init__(self, job):
        import MNN

        path = job.made("mnn", lambda path: self.convert(job, path))
        self.mnn = MNN
        self.interpreter = MNN.Interpreter(path)
        self.session = self.interpreter.createSession({"backend": "CPU", "numThread": job.threads, "precision": "high"})
        self.input = self.interpreter.getSessionInput(self.session)
        self.interpreter.resizeTensor(self.input, job.x.shape)
        self.interpreter.resizeSession(self.session)
        self.x = MNN.Tensor(job.x.shape, MNN.Halide_Type_Float, job.x, MNN.Tensor_DimensionType_Caffe)

    @staticmethod
    def convert(job, path):
        tool("mnnconvert", "-f", "ONNX", "--modelFile", job.onnx, "--MNNModel", path, "--bizCode", "resnet")

    def run(self):
        self.input.copyFrom(self.x)
        self.interpreter.runSession(self.session)
        output = self.interpreter.getSessionOutput(self.session)
        result = self.mnn.Tensor(output.getShape(), self.mnn.Halide_Type_Float, np.zeros(output.getShape(), np.float32),
                                 self.mnn.Tensor_DimensionType_Caffe)
        output.copyToHostTensor(result)
        return np.array(result.getNumpyData()).reshape(output.getShape())


class Ncnn:
    """Has no batches: takes one picture."""

    title, package, precisions = "ncnn", "ncnn", ("fp32",)

    def __init__(self, job):
        import ncnn

        if len(job.x) != 1:
            raise RuntimeError("has no batches")
        self.ncnn = ncnn
        stem = job.made("ncnn.param", lambda path: self.convert(job, path))[: -len(".param")]
        self.net = ncnn.Net()
        self.net.opt.num_threads = job.threads
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(self.net.opt, name, False)
        if self.net.load_param(stem + ".param") != 0 or self.net.load_model(stem + ".bin") != 0:
            raise RuntimeError("cannot load what pnnx made of the network")
        self.x = ncnn.Mat(job.x[0]).clone()

    @staticmethod
    def convert(job, path):
        shape = ",".join(map(str, (1, *job.x.shape[1:])))
        stem = path[: -len(".param")]
        others = [f"{name}={stem}.{name}" for name in ("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnpy")]
        tool("pnnx", job.onnx, f"inputshape=[{shape}]", "fp16=0", f"ncnnparam={path}", f"ncnnbin={stem}.bin", *others)

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.x)
        return np.array(extractor.extract("out0")[1])[None]


ALL = {runtime.__name__: runtime for runtime in (OnnxRuntime, OpenVino, Torch, Mnn, Ncnn)}


def version(runtime):
    return importlib.metadata.version(runtime.package)
