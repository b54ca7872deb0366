"""resnet bench: the names of its JSON, figures that fit together, and what it refuses."""
import json
import os
import subprocess


def run(*arguments, **environment):
    return subprocess.run([os.environ["RESNET"], "bench", *arguments], capture_output=True, text=True,
                          env=dict(os.environ, **environment))


result = run("resnet20", "--batch", "1,3", "--threads", "1", "--json", "--profile")
assert result.returncode == 0, result.stderr
assert result.stderr == "", result.stderr
report = json.loads(result.stdout)
assert list(report) == ["cpu", "threads", "streams", "peak_gflops", "runs"]
assert report["threads"] == report["streams"] == 1 and report["peak_gflops"] > 0 and report["cpu"]
assert [entry["batch"] for entry in report["runs"]] == [1, 3]
for entry in report["runs"]:
    assert list(entry) == ["model", "batch", "precision", "median_ms", "p90_ms", "p99_ms", "images_per_second", "gflops",
                           "percent_of_peak", "peak_memory_bytes", "layers"]
    assert entry["model"] == "resnet20" and entry["precision"] == "fp32"
    assert 0 < entry["median_ms"] <= entry["p90_ms"] <= entry["p99_ms"]
    macs = sum(layer["macs"] for layer in entry["layers"])
    assert macs == 40_551_040 * entry["batch"]

    def near(a, b):
        return abs(a - b) <= 1e-6 * abs(b)

    assert near(entry["gflops"], 2e-6 * macs / entry["median_ms"])
    assert near(entry["percent_of_peak"], 100 * entry["gflops"] / report["peak_gflops"])
    assert near(entry["images_per_second"], 1e3 * entry["batch"] / entry["median_ms"])
    assert 1e6 < entry["peak_memory_bytes"] < 1e9
    assert entry["layers"][-1]["name"] == "fc" and entry["layers"][-1]["algorithm"]

text = run("resnet20", "--batch", "1", "--size", "16", "--profile")
assert text.returncode == 0 and "layer3.2.conv2" in text.stdout and "median ms" in text.stdout
forced = run("resnet20", "--batch", "1", "--size", "8", "--threads", "0", "--json", RESNET_ISA="ref")
assert "(ref)" in json.loads(forced.stdout)["cpu"]

streams = run("resnet20", "--batch", "3", "--size", "8", "--threads", "2", "--streams", "2")
assert streams.returncode == 0 and "2 threads in 2 streams" in streams.stdout, streams

for arguments, status, words in [
    (["resnet20", "--batch", "0"], 2, "--batch"),
    (["resnet20", "--batch", "x"], 2, "--batch"),
    (["resnet20", "--threads", "-1"], 2, "--threads"),
    (["resnet20", "--streams", "0"], 2, "--streams"),
    (["resnet20", "--threads", "2", "--streams", "3"], 1, "streams: 3 is not 1 to 2"),
    (["resnet20", "--streams", "1", "--profile"], 2, "--streams"),
    (["resnet20", "--size", "-3"], 2, "--size"),
    (["resent20"], 1, "resnet20"),
    (["nothing.safetensors"], 1, "nothing.safetensors"),
    (["resnet18", "--batch", "60000", "--size", "60000"], 1, "too large"),
]:
    result = run(*arguments)
    assert result.returncode == status, (arguments, result)
    assert words in result.stderr and result.stderr.count("\n") == 1 and result.stdout == "", (arguments, result)
unset = run("resnet20", "--batch", "1", "--size", "8", "--json", RESNET_ISA="")
assert json.loads(unset.stdout)["cpu"] == report["cpu"], unset
unknown = run("resnet20", RESNET_ISA="mmx")
assert unknown.returncode == 1 and "RESNET_ISA" in unknown.stderr, unknown

print("ok")
