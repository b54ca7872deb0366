# Classifies pictures on all machines of a Ray cluster, one actor a core: ray_classify.py MODEL PICTURES OUT.csv
# PICTURES is a folder or a file with a path a line. All machines see the model and the pictures under the same paths.
# Without a cluster (RAY_ADDRESS, `ray start`) it uses this machine. Needs ray[data] and resnet_cpp on each machine.
import csv
import os
import sys

import ray
import resnet_cpp


class Classify:
    def __init__(self, model):
        self.model = resnet_cpp.Classifier.load(model, threads=1)  # one thread: the actors use the cores

    def __call__(self, row):
        try:
            (guess,) = self.model.classify(row["path"], 1)
            return {**row, "class": guess.label, "probability": guess.probability, "error": ""}
        except resnet_cpp.Error as error:  # a broken picture does not end the run
            return {**row, "class": "", "probability": 0.0, "error": str(error)}


def listed(pictures):
    if os.path.isdir(pictures):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(pictures) for name in names)
    with open(pictures, encoding="utf-8") as file:
        return file.read().splitlines()


def main(model, pictures, out):
    ray.init()
    cores = int(ray.cluster_resources()["CPU"])
    rows = [{"path": os.path.abspath(path)} for path in listed(pictures)]
    # Small blocks, so that no core waits for another at the end.
    data = ray.data.from_items(rows, override_num_blocks=max(1, min(len(rows), 16 * cores)))
    data = data.map(Classify, fn_constructor_args=[os.path.abspath(model)], num_cpus=1,
                    compute=ray.data.ActorPoolStrategy(size=cores))
    failed = 0
    with open(out, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["path", "class", "probability", "error"])
        table.writeheader()
        for row in data.iter_rows():
            table.writerow(row)
            failed += row["error"] != ""
    print(f"{len(rows)} pictures on {cores} cores, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
