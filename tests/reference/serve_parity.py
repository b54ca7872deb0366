"""resnet serve beside clients that others wrote: Triton's over HTTP and gRPC, and grpcurl. All inputs and outputs, both ways,
give what `resnet predict` gives.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import tritonclient.grpc
    import tritonclient.http
    import tritonclient.utils
    from google.protobuf import json_format
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

RESNET = os.environ["RESNET"]
SOURCE = os.environ["RESNET_SOURCE_DIR"]
MODEL = os.path.join(SOURCE, "models", "resnet20-cifar10.safetensors")
PICTURE = os.path.join(SOURCE, "tests", "demo.jpg")


def predicted():
    done = subprocess.run([RESNET, "predict", MODEL, PICTURE, "--json", "--logits", "--threads", "1"], check=True, capture_output=True)
    return json.loads(done.stdout)


def check(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


def infer_all(module, client, picture, tensor, pixels, wanted):
    """Each input, with each output, as this client sends and reads them."""
    image = module.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], dtype=object))
    prepared = module.InferInput("input", list(tensor.shape), "FP32")
    prepared.set_data_from_numpy(tensor)
    raw = module.InferInput("pixels", list(pixels.shape), "UINT8")
    raw.set_data_from_numpy(pixels)
    for given in (image, prepared):
        outputs = [module.InferRequestedOutput("logits"), module.InferRequestedOutput("probabilities", class_count=3),
                   module.InferRequestedOutput("labels"), module.InferRequestedOutput("features"),
                   module.InferRequestedOutput("heatmap")]
        answer = client.infer("m", [given], outputs=outputs, request_id="7", model_version="1", priority=1, timeout=10_000_000)
        check(np.array_equal(answer.as_numpy("logits")[0], np.array(wanted["logits"], np.float32)), "logits are predict's")
        best = [text.decode().split(":") for text in answer.as_numpy("probabilities")[0]]
        check([int(entry[1]) for entry in best] == [guess["index"] for guess in wanted["top"]][:3], "classes are predict's")
        check(np.float32(best[0][0]) == np.float32(wanted["top"][0]["probability"]), "probabilities are predict's")
        check(answer.as_numpy("labels")[0][0].decode() == wanted["top"][0]["class"], "labels are predict's")
        check(answer.as_numpy("features").shape == (1, 64), "an embedding")
        check(answer.as_numpy("heatmap").ndim == 3, "a heatmap")
    answer = client.infer("m", [raw])
    check(answer.as_numpy("probabilities").shape == (2, 10), "pixels")
    check(abs(answer.as_numpy("probabilities").sum() - 2) < 1e-4, "probabilities are 1 together")
    try:
        client.infer("m", [raw], outputs=[module.InferRequestedOutput("none")])
        check(False, "an unknown output is refused")
    except tritonclient.utils.InferenceServerException as error:
        check("no such output" in str(error), error)


def check_config(config):
    """The model's configuration, which the client over HTTP gives as JSON, that over gRPC as a message."""
    if not isinstance(config, dict):
        config = json_format.MessageToDict(config, preserving_proto_field_name=True)["config"]
    check((config["name"], config["platform"], config.get("max_batch_size", 0)) == ("m", "resnet", 0), config)
    inputs = {given["name"]: (given["data_type"], [int(size) for size in given["dims"]], given.get("optional", False))
              for given in config["input"]}
    check(inputs == {"input": ("TYPE_FP32", [-1, 3, 32, 32], True), "image": ("TYPE_STRING", [-1], True),
                     "pixels": ("TYPE_UINT8", [-1, -1, -1, 3], True)}, inputs)
    check([output["name"] for output in config["output"]] == ["logits", "probabilities", "labels", "features", "heatmap"], config)
    check(json.loads(config["parameters"]["preprocessing"]["string_value"])["width"] == 32, config)


def main():
    wanted = predicted()
    with open(PICTURE, "rb") as file:
        picture = file.read()
    folder = tempfile.mkdtemp()
    subprocess.run([RESNET, "preprocess", PICTURE, "-o", f"{folder}/t.npy", "--model", MODEL], check=True, stdout=subprocess.DEVNULL)
    tensor = np.load(f"{folder}/t.npy").reshape(1, 3, 32, 32)
    shutil.rmtree(folder)
    pixels = np.arange(2 * 40 * 50 * 3, dtype=np.uint64).astype(np.uint8).reshape(2, 40, 50, 3)
    server = subprocess.Popen([RESNET, "serve", f"m={MODEL}", "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        port = next(match.group(1) for match in (re.search(r"127.0.0.1:(\d+)", line) for line in server.stderr) if match)
        address = f"127.0.0.1:{port}"
        for module in (tritonclient.http, tritonclient.grpc):
            client = module.InferenceServerClient(address)
            check(client.is_server_live() and client.is_server_ready() and client.is_model_ready("m", "1"), "ready")
            check(not client.is_model_ready("n"), "another model is not ready")
            client.get_server_metadata()
            client.get_model_metadata("m")
            client.get_inference_statistics("m")
            client.get_model_repository_index()
            check_config(client.get_model_config("m"))
            infer_all(module, client, picture, tensor, pixels, wanted)
            client.close()
        client = tritonclient.http.InferenceServerClient(address)
        given = tritonclient.http.InferInput("input", [1, 3, 32, 32], "FP32")
        given.set_data_from_numpy(tensor, binary_data=False)
        for coding in (None, "gzip", "deflate"):
            answer = client.infer("m", [given], request_compression_algorithm=coding, response_compression_algorithm=coding)
            check(np.array_equal(answer.as_numpy("logits")[0], np.array(wanted["logits"], np.float32)), f"{coding} bodies")
        client.close()
        grpcurl = os.path.join(os.path.dirname(sys.executable), "grpcurl")
        if not os.path.exists(grpcurl):
            print("without grpcurl, which is not installed")
            return
        services = subprocess.run([grpcurl, "-plaintext", address, "list"], check=True, capture_output=True, text=True).stdout
        check("inference.GRPCInferenceService" in services and "grpc.health.v1.Health" in services, services)
        health = subprocess.run([grpcurl, "-plaintext", address, "grpc.health.v1.Health/Check"], check=True, capture_output=True, text=True)
        check('"SERVING"' in health.stdout, health.stdout)
        ready = subprocess.run([grpcurl, "-plaintext", "-d", '{"name": "m"}', address, "inference.GRPCInferenceService/ModelReady"],
                               check=True, capture_output=True, text=True)
        check('"ready": true' in ready.stdout, ready.stdout)
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
    print("answers of both protocols are those of predict")


if __name__ == "__main__":
    main()
