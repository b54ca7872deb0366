"""resnet serve beside schemathesis, which makes requests from /openapi.json, right ones and wrong ones: each answer has a
status, a type, headers and a body that the document describes, and none is 500. Statuses of its own opinion are left out:
504 is what a client's tiny X-Request-Timeout asks for, and no schema says which bytes are a picture."""
import json
import os
import re
import subprocess
import sys
import tempfile

import clients

SCHEMATHESIS = clients.need_program("schemathesis")
sys.path.insert(0, os.path.join(clients.SOURCE, "tests", "cli"))
from server import Server

CHECKS = ("status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,"
          "unsupported_method,allow_header_conformance")
ALL = os.environ.get("RESNET_TEST_ALL")


def main():
    model = os.path.join(clients.SOURCE, "models", "resnet20-cifar10.safetensors")
    with tempfile.TemporaryDirectory() as folder, Server(f"net={model}", "--queue", 200, "--log", "requests") as server:
        done = subprocess.run([SCHEMATHESIS, "run", f"http://127.0.0.1:{server.port}/openapi.json", "--checks", CHECKS, "--phases",
                               "examples,coverage,fuzzing" if ALL else "examples,fuzzing", "--max-examples", "10" if ALL else "5", "--seed", "1",
                               "--suppress-health-check", "all", "--warnings", "off", "--no-color"],
                              capture_output=True, text=True, cwd=folder, check=False)
        cases = re.search(r"(\d+) generated.*", done.stdout)
        statuses = [json.loads(line)["status"] for line in list(server.log)]
    if done.returncode or not cases:
        sys.exit(done.stdout[-6000:] + done.stderr[-1000:])
    if 500 in statuses or 200 not in statuses or int(cases.group(1)) < (300 if ALL else 30):
        sys.exit(f"statuses {sorted(set(statuses))} of {cases.group(0)}")
    print(f"schemathesis: {cases.group(0)}; statuses of requests for a network: {sorted(set(statuses))}")


if __name__ == "__main__":
    main()
