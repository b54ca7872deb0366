"""`cmake --install`: its headers stand alone, and find_package and pkg-config build the examples against it."""
import glob
import os
import re
import shutil
import sys
import tempfile

from package import build, check_answer, check_examples, model_and_picture, run, source


def check_headers(prefix):
    """Each installed header compiles alone, with nothing on the path but the installed tree; torch.h, which needs LibTorch, is
    in an example."""
    headers = [header for header in glob.glob(f"{prefix}/include/resnet/*.h") if not header.endswith("/torch.h")]
    assert "resnet.h" in map(os.path.basename, headers)
    flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", f"-I{prefix}/include"]
    for header in headers:
        run(["c++", "-std=c++20", *flags, "-include", header, "-x", "c++", "/dev/null"])
    run(["cc", "-std=c99", *flags, "-include", f"{prefix}/include/resnet/resnet.h", "-x", "c", "/dev/null"])
    return len(headers)


def check_find_package(prefix, folder):
    torch = re.findall(r"^RESNET_TORCH_FOUND:\w+=(/.*)$", open(f"{build}/CMakeCache.txt").read(), re.MULTILINE)
    run(["cmake", "-G", "Ninja", "-S", f"{source}/examples", "-B", f"{folder}/examples",
         "-D", "CMAKE_PREFIX_PATH=" + ";".join([prefix, *torch]), "-D", "CMAKE_FIND_PACKAGE_NO_PACKAGE_REGISTRY=ON"])
    run(["cmake", "--build", f"{folder}/examples"])
    check_examples(folder, f"{folder}/examples")
    if os.path.exists(f"{prefix}/include/resnet/torch.h"):
        run([f"{folder}/examples/train_loop", f"{folder}/bright.safetensors"])
        print(run([f"{prefix}/bin/resnet", "inspect", f"{folder}/bright.safetensors"]))


def check_pkg_config(prefix, folder):
    found = glob.glob(f"{prefix}/**/resnet.pc", recursive=True)
    assert len(found) == 1, found
    env = {"PKG_CONFIG_PATH": os.path.dirname(found[0])}
    commands = re.findall(r"^(c.* -o (\w+) \$\(pkg-config .*)$", open(f"{source}/docs/embedding.md").read(), re.MULTILINE)
    assert len(commands) == 2, commands
    model, picture = model_and_picture(folder)
    for command, made in commands:
        run(["sh", "-c", command.replace("-o ", f"-o {folder}/pkg-config-")], env=env, cwd=f"{source}/examples")
        check_answer(run([f"{folder}/pkg-config-{made}", model, picture]), model, picture)


with tempfile.TemporaryDirectory() as folder:
    first, prefix = f"{folder}/first", f"{folder}/moved"
    run(["cmake", "--install", build, "--prefix", first])
    shutil.move(first, prefix)  # what is installed may be moved
    assert not glob.glob(f"{prefix}/include/*/*/"), "rooms leaked"
    print(check_headers(prefix), "headers")
    check_find_package(prefix, folder)
    check_pkg_config(prefix, folder)
    run([f"{prefix}/bin/resnet", "--version"])
sys.exit(0)
