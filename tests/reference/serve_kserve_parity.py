"""resnet serve beside KServe's own clients, over HTTP/1.1 and gRPC: health, metadata, and answers that are those of
`resnet predict`, with tensors as bytes and as numbers; errors arrive with the server's words."""
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile

import clients

clients.need_module("kserve")
import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

sys.path.insert(0, os.path.join(clients.SOURCE, "tests", "cli"))
from server import Server

MODEL = os.path.join(clients.SOURCE, "models", "resnet20-cifar10.safetensors")
PICTURE = os.path.join(clients.SOURCE, "tests", "demo.jpg")


def check(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


def run(*arguments):
    return subprocess.run([os.environ["RESNET"], *arguments], check=True, capture_output=True, text=True).stdout


class Rest:
    name = "HTTP"

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.client = InferenceRESTClient(RESTConfig(protocol="v2"))

    async def infer(self, request, model="m"):
        return await self.client.infer(self.url, request, model_name=model)

    async def health(self):
        return [await self.client.is_server_live(self.url), await self.client.is_server_ready(self.url),
                await self.client.is_model_ready(self.url, "m")]


class Grpc:
    name = "gRPC"

    def __init__(self, port):
        self.client = InferenceGRPCClient(f"127.0.0.1:{port}")

    async def infer(self, request, model="m"):
        request.model_name = model
        return await self.client.infer(request)

    async def health(self):
        return [await self.client.is_server_live(), await self.client.is_server_ready(), await self.client.is_model_ready("m")]


def inputs(picture, tensor):
    """The picture in each way in which this client can send it."""
    image = InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], dtype=object))
    yield "a file", image
    for binary in (True, False):
        prepared = InferInput("input", list(tensor.shape), "FP32")
        prepared.set_data_from_numpy(tensor, binary_data=binary)
        yield f"a tensor, binary={binary}", prepared


async def use(client, picture, tensor, wanted):
    check(await client.health() == [True, True, True], f"{client.name}: live, ready, and so is the model")
    for name, given in inputs(picture, tensor):
        for binary in (True, False):
            outputs = [RequestedOutput(output, {"binary_data": binary}) for output in ("logits", "labels", "features")]
            request = InferRequest(model_name="m", request_id="7", infer_inputs=[given], request_outputs=outputs,
                                   parameters={"top": 3})
            answer = await client.infer(request)
            where = f"{client.name}, {name}, answered with binary={binary}"
            check((answer.id, answer.model_name) == ("7", "m"), where)
            check(answer.model_version == ("1" if client.name == "gRPC" else None), where)  # its REST client leaves it out
            check([output.name for output in answer.outputs] == ["logits", "labels", "features"], where)
            logits = answer.get_output_by_name("logits").as_numpy()
            check(np.array_equal(logits[0], np.array(wanted["logits"], np.float32)), f"{where}: logits are predict's")
            labels = [text.decode() if isinstance(text, bytes) else text
                      for text in answer.get_output_by_name("labels").as_numpy().ravel()]
            check(labels == [guess["class"] for guess in wanted["top"]][:3], f"{where}: {labels}")
    await errors(client, picture)


async def errors(client, picture):
    image = InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture[:100]], dtype=object))
    for model, words, code in (("m", "image[0]", grpc.StatusCode.INVALID_ARGUMENT), ("none", "none", grpc.StatusCode.NOT_FOUND)):
        try:
            await client.infer(InferRequest(model_name=model, infer_inputs=[image]), model)
            check(False, f"{client.name}: {model} is refused")
        except (httpx.HTTPStatusError, grpc.RpcError) as error:
            check(words in str(error), f"{client.name}: {error}")
            if isinstance(error, grpc.RpcError):
                check(error.code() == code, error)


async def metadata(port):
    """KServe's REST client has no call for it; a reader of the protocol's document does."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as link:
        server = (await link.get("/v2")).json()
        check({"name", "version", "extensions"} <= set(server), server)
        model = (await link.get("/v2/models/m")).json()
        check({"name", "versions", "platform", "inputs", "outputs"} <= set(model), model)
        for tensor in model["inputs"] + model["outputs"]:
            check({"name", "datatype", "shape"} == set(tensor), tensor)
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        check((await stub.ServerMetadata(messages.ServerMetadataRequest())).name == server["name"], "the same name over gRPC")
        same = await stub.ModelMetadata(messages.ModelMetadataRequest(name="m"))
        check([(t.name, t.datatype, list(t.shape)) for t in same.inputs] ==
              [(t["name"], t["datatype"], t["shape"]) for t in model["inputs"]], "the same inputs over gRPC")


async def use_all(port, picture, tensor, wanted):
    for client in (Rest(port), Grpc(port)):
        await use(client, picture, tensor, wanted)
        many = [client.infer(InferRequest(model_name="m", infer_inputs=[given], request_id=str(i)))
                for i in range(20) for _, given in inputs(picture, tensor)]
        for answer in await asyncio.gather(*many):
            check(np.array_equal(answer.get_output_by_name("logits").as_numpy()[0], np.array(wanted["logits"], np.float32)),
                  f"{client.name}: side by side")
        await client.client.close()
    await metadata(port)


def main():
    wanted = json.loads(run("predict", MODEL, PICTURE, "--json", "--logits", "--threads", "1"))
    with open(PICTURE, "rb") as file:
        picture = file.read()
    with tempfile.TemporaryDirectory() as folder:
        run("preprocess", PICTURE, "-o", f"{folder}/t.npy", "--model", MODEL)
        tensor = np.load(f"{folder}/t.npy").reshape(1, 3, 32, 32)
    logging.disable(logging.ERROR)  # it logs the errors that are asked for
    with Server(f"m={MODEL}", "--queue", 200) as server:
        asyncio.run(use_all(server.port, picture, tensor, wanted))
    print("answers to KServe's clients are those of predict")


if __name__ == "__main__":
    main()
