"""Writes the seeds of the server's targets.

    python3 fuzz/make_serve_corpus.py
"""
import gzip
import json
import os
import struct
import zlib

ROOT = os.path.dirname(os.path.abspath(__file__))


def write(target, name, data):
    folder = os.path.join(ROOT, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


HEAD = b"POST /classify?top=3 HTTP/1.1\r\nHost: x\r\n"
write("http1", "get", b"\0GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
write("http1", "post", b"\5" + HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
write("http1", "chunked", b"\7" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n")
write("http1", "row", b"\xc0" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"HEAD / HTTP/1.0\r\n\r\n")
write("http1", "both", b"\0" + HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")

GET = bytes([0x82, 0x86, 0x04, 3]) + b"/v2" + bytes([0x01, 1]) + b"x"
POST = bytes([0x83, 0x86, 0x04, 3]) + b"/v2" + bytes([0x01, 1]) + b"x"
REFLECT = (bytes([0x83, 0x86, 0x04, 57]) + b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"[:57] +
           bytes([0x0f, 0x10, 16]) + b"application/grpc")
write("http2", "get", b"\0" + frame(4, 0, 0) + frame(1, 5, 1, GET))
write("http2", "post", b"\x0b" + frame(4, 0, 0) + frame(1, 4, 1, POST) + frame(0, 0, 1, b"hel") + frame(0, 1, 1, b"lo"))
write("http2", "reset", b"\x40" + frame(4, 0, 0) + frame(1, 4, 1, GET) + frame(3, 0, 1, bytes(4)) + frame(6, 0, 0, bytes(8)))
write("http2", "drain", b"\x80" + frame(4, 0, 0) + frame(1, 5, 1, GET) + frame(6, 1, 0, bytes(8)) + frame(8, 0, 0, b"\0\0\1\0"))
write("http2", "reflection", b"\0" + frame(4, 0, 0) + frame(1, 4, 1, REFLECT) + frame(0, 1, 1, b"\0\0\0\0\2\x3a\0"))

VALUES = [0.5] * (3 * 8 * 8)


def json_request(document, raw=b"", length=True):
    text = json.dumps(document).encode()
    head = bytes([0, len(text) % 256, len(text) // 256]) if length else b"\2\0\0"
    return head + text + raw


TENSOR = {"name": "input", "datatype": "FP32", "shape": [1, 3, 8, 8]}
write("infer", "json", json_request({"id": "1", "inputs": [{**TENSOR, "data": VALUES}],
                                     "outputs": [{"name": "logits", "parameters": {"classification": 1}}]}, length=False))
RAW = struct.pack("<192f", *VALUES)
write("infer", "binary", json_request({"inputs": [{**TENSOR, "parameters": {"binary_data_size": len(RAW)}}],
                                       "parameters": {"binary_data_output": True, "top": 2, "timeout": 10 ** 9}}, RAW))
write("infer", "pixels", json_request({"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3],
                                                   "data": list(range(12))}], "outputs": [{"name": "heatmap"}]}, length=False))
write("infer", "image", json_request({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["iVBORw0K"]}],
                                      "outputs": [{"name": "features", "parameters": {"binary_data": True}}]}, length=False))
write("infer", "tensor", b"\0\0\0" + RAW)


def field(number, data):
    size, encoded = len(data), b""
    while size > 127:
        encoded += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + encoded + bytes([size]) + data


MESSAGE = field(1, b"m") + field(5, field(1, b"input") + field(2, b"FP32") + field(3, b"\1\3\x08\x08")) + field(7, RAW)
write("infer", "grpc", b"\1\0\0" + MESSAGE + field(6, field(1, b"labels")))
write("infer", "grpc_contents", b"\1\0\0" + field(5, field(1, b"pixels") + field(2, b"UINT8") + field(3, b"\1\1\1\3") +
                                                  field(5, field(4, b"\1\2\3"))))

FORM = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nbytes\r\n--b--\r\n'
write("form", "form", b"\0multipart/form-data; boundary=b\n" + FORM)
write("form", "gzip", b"\1" + gzip.compress(b"hello" * 100))
write("form", "deflate", b"\2" + zlib.compress(b"hello" * 100))
write("form", "query", b"\3/classify?a=b&top=%35+x&c")
write("form", "codings", b"\4gzip;q=0, deflate")
write("form", "frame", b"\5\0\0\0\0\2hi")
