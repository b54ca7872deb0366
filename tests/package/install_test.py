"""`cmake --install`: its programs run, its headers stand alone, and find_package and pkg-config build the examples against it."""
import glob
import os
import re
import shutil
import sys
import tempfile

from package import build, check_answer, check_examples, model_and_picture, run, source, train_an_epoch, use_program


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


# Where the trainer was built with LibTorch: its folder.
cache = open(f"{build}/CMakeCache.txt").read()
trains = "RESNET_TRAIN:BOOL=OFF" not in cache
torch = [] if "RESNET_TORCH:STRING=OFF" in cache else re.findall(r"^RESNET_TORCH_FOUND:\w+=(/.*)$", cache, re.MULTILINE)
os.environ.pop("LD_LIBRARY_PATH", None)  # what is installed knows its libraries


def check_programs(prefix, folder):
    """All that are installed, for real: training too, which needs a library that is not installed with it."""
    programs = sorted(os.listdir(f"{prefix}/bin"))
    assert programs == (["resnet", "resnet-serve", "resnet-train"] if trains else ["resnet", "resnet-serve"]), programs
    shapes = use_program(f"{prefix}/bin/resnet", folder)
    if not trains:
        assert "the trainer is not there" in run([f"{prefix}/bin/resnet", "train", "--out", "x"], status=1)
        return
    train_an_epoch(f"{prefix}/bin/resnet", folder, shapes)
    if not torch:
        return

    # LibTorch went away: said in one line, with what to do.
    lost = f"{folder}/lost"
    shutil.copytree(f"{prefix}/bin", lost)
    with open(f"{lost}/resnet-train", "r+b") as file:
        data = file.read()
        known = f"{torch[0]}/lib".encode()
        assert known in data, "no RUNPATH to LibTorch"
        file.seek(0)
        file.write(data.replace(known, b"/" + b"x" * (len(known) - 1)))
    said = run([f"{lost}/resnet", "train", "--data", shapes, "--out", f"{folder}/none"], status=1)
    assert re.fullmatch(rf"resnet: {re.escape(lost)}/resnet-train: cannot start, as .*libtorch_cpu\.so.* are not where .*\n", said), said


def check_shipped(prefix):
    """What a reader tries first, with nothing but what is installed."""
    model = f"{prefix}/share/resnet/models/resnet20-cifar10.safetensors"
    assert "ship" in run([f"{prefix}/bin/resnet", "predict", model, f"{source}/tests/demo.jpg", "--top", "1"])
    recipes = os.listdir(f"{prefix}/share/resnet/recipes")
    assert sorted(recipes) == sorted(os.listdir(f"{source}/recipes")), recipes


def check_find_package(prefix, folder):
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
    check_programs(prefix, folder)
    check_shipped(prefix)
sys.exit(0)
