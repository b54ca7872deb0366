"""What docs/scaling.md tells people to type for millions of pictures works as it stands: every picture is answered once, as
`resnet predict` answers it. A line for a tool that is not here is left out, visibly."""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import pictures

ROOT = os.environ["RESNET_SOURCE_DIR"]


class ScalingPageTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        with open(os.path.join(ROOT, "docs", "scaling.md"), encoding="utf-8") as file:
            self.blocks = re.findall(r"^```sh\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
        os.makedirs(f"{self.folder}/bin")
        os.symlink(os.path.abspath(os.environ["RESNET"]), f"{self.folder}/bin/resnet")
        pictures.small_model(self.folder, "model.safetensors", ["cat", "dog"])
        self.paths = [f"photos/{i % 3}/a picture {i}.jpg" for i in range(11)]
        for i, path in enumerate(self.paths):
            pictures.write(os.path.join(self.folder, path), pictures.png(30 + i, 40, i))
        self.wanted = self.answers(self.run_line("resnet predict model.safetensors --json --top 1 photos"))

    def run_line(self, line, **variables):
        done = subprocess.run(["bash", "-o", "pipefail", "-ec", line], cwd=self.folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", **variables})
        self.assertEqual(done.returncode, 0, line + done.stderr)
        return done.stdout

    def answers(self, text):
        lines = [json.loads(line) for line in text.splitlines()]
        return sorted((line["path"], line["top"][0]["class"]) for line in lines)

    def collected(self):
        text = ""
        for path in glob.glob(f"{self.folder}/answers.*.jsonl"):
            with open(path, encoding="utf-8") as file:
                text += file.read()
            os.remove(path)
        return self.answers(text)

    def test_lines(self):
        by_hand, slurm, parallel = self.blocks
        for part in "1234":
            self.run_line(by_hand.replace("r/1/4", f"r/{part}/4").replace("answers.1.", f"answers.{part}."))
        self.assertEqual([path for path, _ in self.wanted], sorted(self.paths))
        self.assertEqual(self.collected(), self.wanted)
        self.run_line(slurm)
        for part in "123":  # as sbatch starts them
            self.run_line("sh part.sh", SLURM_ARRAY_TASK_ID=part, SLURM_ARRAY_TASK_COUNT="3", SLURM_CPUS_PER_TASK="1")
        self.assertEqual(self.collected(), self.wanted)
        if not shutil.which("parallel"):
            self.skipTest("there is no GNU parallel")
        self.run_line(parallel)
        self.assertEqual(self.collected(), self.wanted)


if __name__ == "__main__":
    unittest.main()
