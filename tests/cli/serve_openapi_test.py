"""/openapi.json is true: its references lead somewhere, every address that it lists answers as it says, and what is wrong
with a request gets a status that it lists. Schemas are checked by the few words of JSON Schema that the document uses."""
import gzip
import json
import os
import re
import tempfile
import unittest
import zlib

import pictures
from server import Server

KNOWN = {"$ref", "type", "required", "properties", "items", "enum", "const", "pattern", "minimum", "maximum", "minItems",
         "maxItems", "minLength", "maxProperties", "additionalProperties", "prefixItems", "exclusiveMinimum",
         "exclusiveMaximum", "default", "description", "format", "contentMediaType"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
         "null": type(None)}


def problems(document, schema, value, where="answer"):
    """What of `value` is not as `schema` says."""
    assert set(schema) <= KNOWN, schema
    if "$ref" in schema:
        return problems(document, resolve(document, schema["$ref"]), value, where)
    types = schema.get("type", list(TYPES))
    types = types if isinstance(types, list) else [types]
    if not any(isinstance(value, TYPES[t]) and (t == "boolean" or not isinstance(value, bool)) for t in types):
        return [f"{where}: {value!r} is no {types}"]
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where}: {value!r}")
    if "minimum" in schema and value < schema["minimum"] or "maximum" in schema and value > schema["maximum"]:
        found.append(f"{where}: {value!r}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{where}: no {key}" for key in schema.get("required", []) if key not in value]
        if known:
            found += [f"{where}: {key} is not described" for key in value if key not in known]
        if len(value) > schema.get("maxProperties", len(value)):
            found.append(f"{where}: {value}")
        for key in value:
            found += problems(document, known.get(key, {}), value[key], f"{where}.{key}")
    if isinstance(value, list):
        for i, element in enumerate(value):
            found += problems(document, schema.get("items", {}), element, f"{where}[{i}]")
    return found


def resolve(document, reference):
    at = document
    for part in reference.removeprefix("#/").split("/"):
        at = at[part.replace("~1", "/")]
    return at


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from references(element)


class OpenApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        model = pictures.small_model(cls.temporary.name, "net.safetensors", ["a", "b", "c"])
        token = pictures.write(os.path.join(cls.temporary.name, "token"), b"secret\n")
        cls.server = Server(model, "--admin-port", 0, "--admin-token-file", token)
        cls.document = cls.server.json("GET", "/openapi.json")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        cls.temporary.cleanup()

    def call(self, path, method, operation, *, body=None, headers=None, query=""):
        """Checks an answer against what is written about it; gives its status."""
        status, got, answer = self.server.ask(method.upper(), path.format(model="net", version="1") + query, body, headers)
        self.assertIn(str(status), operation["responses"], (path, answer[:200]))
        response = operation["responses"][str(status)]
        if "$ref" in response:
            response = resolve(self.document, response["$ref"])
        kind = got["content-type"].split(";")[0]
        self.assertIn(kind, response["content"], path)
        if kind == "application/json":
            schema = response["content"][kind]["schema"]
            if path != "/openapi.json":
                self.assertEqual(problems(self.document, schema, json.loads(answer)), [], path)
        for name in response.get("headers", {}):
            if name != "Inference-Header-Content-Length":
                self.assertIn(name.lower(), got, path)
        return status

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method, operation

    def test_references_and_names(self):
        for reference in references(self.document):
            resolve(self.document, reference)
        names = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))
        used = set(references(self.document))
        for kind in ("schemas", "responses", "parameters"):
            for name in self.document["components"][kind]:
                self.assertIn(f"#/components/{kind}/{name}", used)

    def test_every_address_answers_as_it_says(self):
        picture = pictures.png(40, 40)
        for path, method, operation in self.operations():
            with self.subTest(path=path, method=method):
                if path.startswith("/classify"):
                    for query in ("", "?top=2", "?model=net", "?logits"):
                        self.assertEqual(self.call(path, method, operation, body=picture, query=query), 200)
                elif path.endswith("/infer"):
                    example = operation["requestBody"]["content"]["application/json"]["examples"]["file"]["value"]
                    for outputs in ([], example["outputs"], [{"name": name} for name in (
                            "logits", "probabilities", "labels", "features", "heatmap")]):
                        body = json.dumps({**example, "id": "mine", "outputs": outputs})
                        self.assertEqual(self.call(path, method, operation, body=body), 200)
                    self.assertEqual(self.call(path, method, operation, body=picture,
                                               headers={"Inference-Header-Content-Length": "0"}), 200)
                elif "security" in operation:
                    self.assertEqual(self.call(path, method, operation), 404)
                else:
                    self.assertEqual(self.call(path, method, operation), 200)

    def test_what_is_wrong_gets_a_status_that_is_listed(self):
        for path, method, operation in self.operations():
            with self.subTest(path=path, method=method):
                if method == "post":
                    self.assertIn(self.call(path, "get", operation), (404, 405))
                else:
                    self.assertIn(self.call(path, "delete", operation), (404, 405))
                wrong = path.replace("{model}", "nope")
                if wrong != path:
                    status = self.call(wrong, method, operation, body="{}" if method == "post" else None)
                    self.assertEqual(status, 503 if path.endswith("/ready") else 404)
                if "requestBody" in operation:
                    self.assertEqual(self.call(path, method, operation, body=b"no picture"), 400)
                    late = {"X-Request-Timeout": "0.000000001"}
                    self.assertEqual(self.call(path, method, operation, body=b"no picture", headers=late), 504)

    def test_compressed_pictures(self):
        picture = pictures.png(40, 40)
        wanted = self.server.json("POST", "/classify", picture)
        for coding, packed in (("gzip", gzip.compress(picture)), ("deflate", zlib.compress(picture)), ("identity", picture)):
            self.assertEqual(self.server.json("POST", "/classify", packed, {"Content-Encoding": coding}), wanted)
        self.server.json("POST", "/classify", picture, {"Content-Encoding": "br"}, status=415)

    def test_a_model_that_is_not_ready(self):
        folder = os.path.join(self.temporary.name, "models")
        pictures.write(os.path.join(folder, "broken", "1", "model.safetensors"), b"nothing")
        os.makedirs(os.path.join(folder, "net", "1"))
        os.link(os.path.join(self.temporary.name, "net.safetensors"), os.path.join(folder, "net", "1", "model.safetensors"))
        with Server("--models", folder) as server:
            for method, path in (("GET", "/v2/models/broken"), ("GET", "/v2/models/broken/config"),
                                 ("POST", "/v2/models/broken/infer"), ("POST", "/classify?model=broken")):
                status, headers, answer = server.ask(method, path, b"{}" if method == "POST" else None)
                self.assertEqual((status, headers.get("retry-after")), (503, "1"), path)
                self.assertEqual(json.loads(answer), {"error": "broken: the model is not ready"})

    def test_nothing_that_answers_is_left_out(self):
        """Addresses that the sources of the server speak of."""
        folder = os.path.join(os.environ.get("RESNET_SOURCE_DIR", "."), "src", "serve")
        with open(os.path.join(folder, "router.cc"), encoding="utf-8") as file:
            words = set(re.findall(r'== "/?(\w[\w.]*)"', file.read())) - {"GET", "HEAD", "POST", "PUT"}
        listed = {part for path in self.document["paths"] for part in path.split("/")}
        self.assertGreater(len(words), 8)
        self.assertEqual(words - listed, set())


if __name__ == "__main__":
    unittest.main()
