"""The examples with the checkout as a subdirectory of their project."""
import tempfile

from package import COMPILED_AS_HERE, check_examples, run, source

with tempfile.TemporaryDirectory() as folder:
    run(["cmake", "-G", "Ninja", "-S", f"{source}/examples", "-B", f"{folder}/build", "-D", f"RESNET_SOURCE={source}",
         *(f"-D{name}={value}" for name, value in COMPILED_AS_HERE.items())])
    run(["cmake", "--build", f"{folder}/build"])
    check_examples(folder, f"{folder}/build")
