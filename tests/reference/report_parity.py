"""The numbers of `resnet eval --report` and `resnet compare` against scikit-learn, for 10 and for 1,000 classes.

Pictures and networks are made here. Accuracy, top-5, loss, precision, recall, F1, the confusion matrix, reliability and
the temperature come from the logits that `resnet predict` prints. Exits with 77 without scikit-learn.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image
    from sklearn import metrics
    from sklearn.calibration import calibration_curve
except ImportError as error:
    print(f"skipped: {error.name} is not installed")
    sys.exit(77)

RESNET = os.environ["RESNET"]
BINS = 15
folder = tempfile.TemporaryDirectory()
random = np.random.default_rng(5)


def resnet(*arguments):
    result = subprocess.run([RESNET, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, (arguments, result.stderr)
    return result.stdout


def path(*parts):
    return os.path.join(folder.name, *parts)


def make_model(name, classes, seed):
    resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--stem", "cifar", "--classes", classes,
           "--seed", seed, "--calibrated", "-o", path("bare.safetensors"))
    with open(path("names.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(f"class{i:04}" for i in range(classes)))
    resnet("convert", path("bare.safetensors"), path(name), "--size", 32, "--resize", 0, "--mean", "0.5,0.5,0.5",
           "--std", "0.25,0.25,0.25", "--classes", path("names.txt"))
    return path(name)


def make_pictures(directory, classes, count):
    """Colours that depend on the class, and noise, in some of the classes only."""
    for i in range(count):
        truth = i % min(classes, count // 2)
        colour = np.array([truth * 37 % 256, truth * 91 % 256, truth * 151 % 256])
        pixels = np.clip(colour + random.normal(0, 60, (32, 32, 3)), 0, 255).astype(np.uint8)
        place = path(directory, f"class{truth:04}")
        os.makedirs(place, exist_ok=True)
        Image.fromarray(pixels).save(os.path.join(place, f"{i:05}.png"))


def softmax(logits):
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def predict(model, directory):
    lines = [json.loads(line) for line in resnet("predict", model, path(directory), "--json", "--logits").splitlines()]
    truths = np.array([int(os.path.basename(os.path.dirname(line["path"]))[5:]) for line in lines])
    return np.array([line["logits"] for line in lines]), truths


def close(got, expected, what, limit=1e-6):
    difference = np.abs(np.asarray(got, float) - np.asarray(expected, float)).max()
    assert difference <= limit, f"{what}: {got} instead of {expected}"
    print(f"  {what:32} {difference:.1e}")


def expected_error(confidence, right):
    """The calibration error from scikit-learn's curve; its bins hold their lower bound, which no value here equals."""
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS, strategy="uniform")
    counts = np.histogram(confidence, np.linspace(0, 1, BINS + 1))[0]
    counts = counts[counts > 0]
    return float((counts * np.abs(accuracy - mean)).sum() / counts.sum()), accuracy, mean


def loss_at(logits, truths, temperature):
    return metrics.log_loss(truths, softmax(logits / temperature), labels=range(logits.shape[1]))


def best_temperature(logits, truths):
    """Golden section search on the logarithm."""
    low, high = np.log(0.01), np.log(100)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        if loss_at(logits, truths, np.exp(a)) < loss_at(logits, truths, np.exp(b)):
            high = b
        else:
            low = a
    return np.exp((low + high) / 2)


def check(classes, count):
    print(f"{classes} classes, {count} pictures")
    directory = f"data{classes}"
    make_pictures(directory, classes, count)
    model = make_model(f"m{classes}.safetensors", classes, 3)
    page = path(f"report{classes}.html")
    got = json.loads(resnet("eval", model, path(directory), "--report", page, "--json"))
    logits, truths = predict(model, directory)
    labels = range(classes)
    probabilities = softmax(logits)
    predicted = logits.argmax(1)

    close(got["top1"], metrics.accuracy_score(truths, predicted), "top-1")
    close(got["top5"], metrics.top_k_accuracy_score(truths, logits, k=5, labels=labels), "top-5")
    close(got["loss"], metrics.log_loss(truths, probabilities, labels=labels), "loss", 1e-5)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truths, predicted, labels=labels,
                                                                             zero_division=0)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1), ("images", support)):
        close([c[name] for c in got["classes"]], expected, name)
    matrix = np.zeros((classes, classes), int)
    for truth, other, number in got["confusions"]:
        matrix[truth, other] = number
    matrix[np.diag_indices(classes)] = [c["right"] for c in got["classes"]]
    assert (matrix == metrics.confusion_matrix(truths, predicted, labels=labels)).all()
    print("  confusion matrix                 equal")

    right = predicted == truths
    error, accuracy, mean = expected_error(probabilities.max(1), right)
    close(got["ece"], error, "calibration error", 1e-5)
    filled = [b for b in got["reliability"] if b["images"]]
    close([b["accuracy"] for b in filled], accuracy, "reliability: accuracy")
    close([b["confidence"] for b in filled], mean, "reliability: confidence", 1e-5)
    temperature = best_temperature(logits, truths)
    close(got["temperature"] / temperature, 1, "temperature", 1e-4)
    close(got["loss_at_temperature"], loss_at(logits, truths, temperature), "loss at temperature", 1e-6)
    mended = expected_error(softmax(logits / got["temperature"]).max(1), right)[0]
    close(got["ece_at_temperature"], mended, "calibration error mended", 1e-5)

    with open(page, encoding="utf-8") as file:
        text = file.read()
    numbers = json.loads(text.split('id="numbers">', 1)[1].split("</script>", 1)[0])
    assert numbers["confusions"] == got["confusions"], "the page holds other numbers"
    assert f"{100 * got['top1']:.2f} %" in text
    return model, directory, right


def check_comparison(model, directory, right):
    other = make_model("other.safetensors", 10, 4)
    logits, truths = predict(other, directory)
    other_right = logits.argmax(1) == truths
    got = json.loads(resnet("compare", model, other, path(directory), "--json", "--report", path("compare.html")))
    only_a, only_b = int((right & ~other_right).sum()), int((~right & other_right).sum())
    assert (got["only_a_right"], got["only_b_right"]) == (only_a, only_b)
    assert (got["both_right"], got["both_wrong"]) == ((right & other_right).sum(), (~right & ~other_right).sum())
    from scipy.stats import binomtest
    close(got["mcnemar_p"], binomtest(only_a, only_a + only_b).pvalue, "McNemar's p", 1e-9)
    close(got["b"]["top1"], metrics.accuracy_score(truths, logits.argmax(1)), "top-1 of the other")
    assert len(got["differences"]) == only_a + only_b


ten = check(10, 300)
check(1000, 400)
check_comparison(*ten)
print("all agree")
