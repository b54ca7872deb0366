"""What docs/serving.md tells people to type works as it stands. Exits with 77 where there is no curl."""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from server import Server

ROOT = os.environ["RESNET_SOURCE_DIR"]


class ServingPageTest(unittest.TestCase):
    def test_commands(self):
        with open(os.path.join(ROOT, "docs", "serving.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```sh\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
        first, *commands = blocks
        self.assertEqual(first, "resnet serve models/resnet20-cifar10.safetensors\n")
        answers = []
        with Server(os.path.join(ROOT, "models", "resnet20-cifar10.safetensors")) as server:
            for command in commands:
                for line in command.splitlines() if command.startswith("curl") else [command]:
                    line = line.replace("localhost:8000", f"127.0.0.1:{server.port}").replace("curl ", "curl -sSf ")
                    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
                    self.assertEqual(done.returncode, 0, line + done.stderr)
                    answers.append(json.loads(done.stdout))
        self.assertEqual([guess["class"] for guess in answers[0]["top"]][0], "ship")
        self.assertIn({"ready": True}, answers)
        self.assertEqual(answers[-2]["outputs"][2]["data"][0], "ship")
        self.assertTrue(answers[-1]["outputs"][0]["data"][0].endswith(":8:ship"))
        self.assertEqual(len(answers), 7)


if __name__ == "__main__":
    if not shutil.which("curl"):
        print("skipped: there is no curl")
        sys.exit(77)
    unittest.main()
