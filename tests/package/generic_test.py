"""A build for a processor that nobody wrote kernels for: RESNET_KERNELS=generic leaves out what is for x86-64 alone. The
examples then answer what the program with all its kernels answers, and refuse instruction sets that are not there."""
import os
import subprocess
import sys
import tempfile

from package import COMPILED_AS_HERE, check_examples, model_and_picture, run, source

with tempfile.TemporaryDirectory() as folder:
    run(["cmake", "-G", "Ninja", "-S", f"{source}/examples", "-B", f"{folder}/build", "-D", f"RESNET_SOURCE={source}",
         "-DRESNET_KERNELS=generic", *(f"-D{name}={value}" for name, value in COMPILED_AS_HERE.items())])
    run(["cmake", "--build", f"{folder}/build"])
    check_examples(folder, f"{folder}/build")
    classify = [f"{folder}/build/classify", *model_and_picture(folder)]
    run(classify, env={"RESNET_ISA": "ref"})
    done = subprocess.run(classify, capture_output=True, text=True, check=False, env={**os.environ, "RESNET_ISA": "avx2"})
    if done.returncode != 1 or "RESNET_ISA: this build has no avx2" not in done.stderr:
        sys.exit(f"with RESNET_ISA=avx2: exit status {done.returncode}, {done.stderr}")
    # The trainer has kernels of its own, which need no LibTorch to compile.
    run(["c++", "-std=c++20", "-DRESNET_GENERIC_KERNELS", f"-I{source}/src", f"-I{source}/include", "-c",
         f"{source}/src/train/torch/batch_norm_kernels.cc", "-o", f"{folder}/batch_norm_kernels.o"])
