"""The Debian packages: what is in them; that what they hold runs, unpacked and installed into an empty root; and that they leave
nothing behind."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from package import build, check_answer, model_and_picture, run, source, use_program

for tool in ("cpack", "dpkg", "dpkg-deb", "dpkg-shlibdeps", "file"):
    if not shutil.which(tool):
        print("skipped: no", tool)
        sys.exit(77)
os.environ.pop("LD_LIBRARY_PATH", None)


def files_below(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names)


def fields(package):
    text = run(["dpkg-deb", "--field", package])
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" ") and ": " in line), text


def check_unpacked(packages, folder):
    """What they hold, run from wherever it is: every program, and the library from C++."""
    for package in packages:
        run(["dpkg-deb", "-x", package, f"{folder}/unpacked"])
    usr = f"{folder}/unpacked/usr"
    assert sorted(os.listdir(f"{usr}/bin")) == ["resnet", "resnet-serve"], os.listdir(f"{usr}/bin")
    shapes = use_program(f"{usr}/bin/resnet", folder)
    for command in ("train", "study"):  # which need LibTorch, and no package has it
        said = run([f"{usr}/bin/resnet", command, "--data", shapes, "--out", f"{folder}/run"], status=1)
        assert said.startswith(f"resnet: {usr}/bin/resnet-train: the trainer is not there: the Debian package has none"), said
        assert said.count("\n") == 1, said
    (config,) = glob.glob(f"{usr}/**/resnet.pc", recursive=True)
    flags = run(["pkg-config", "--cflags", "--libs", "resnet"], env={"PKG_CONFIG_PATH": os.path.dirname(config)}).split()
    run(["c++", "-std=c++20", f"{source}/examples/classify.cc", "-o", f"{folder}/classify", *flags])
    model, picture = model_and_picture(folder)
    check_answer(run([f"{folder}/classify", model, picture]), model, picture)


with tempfile.TemporaryDirectory() as folder:
    run(["cpack", "-G", "DEB", "--config", f"{build}/CPackConfig.cmake", "-B", folder])
    packages = sorted(glob.glob(f"{folder}/*.deb"))
    development, runtime = packages
    control, text = fields(runtime)
    assert control["Package"] == "resnet", control
    for library in ("libc6", "libjpeg", "libpng", "libwebp", "libfmt", "libnghttp2", "libssl"):
        assert library in control["Depends"], control
    assert "does not hold resnet-train" in text
    assert fields(development)[0]["Package"] == "libresnet-dev"
    check_unpacked(packages, folder)
    if os.geteuid() != 0:
        print("not installed: only root can install a package")
        sys.exit(0)

    # dpkg unpacks, registers and removes; the libraries are those of this system, hence no check of dependencies.
    root = f"{folder}/root"
    os.makedirs(f"{root}/var/lib/dpkg/updates")
    os.makedirs(f"{root}/var/lib/dpkg/info")
    for name in ("status", "available"):
        open(f"{root}/var/lib/dpkg/{name}", "w").close()
    dpkg = ["dpkg", f"--root={root}", "--force-not-root", "--force-script-chrootless", "--force-depends", "--log=/dev/null"]
    run([*dpkg, "--install", runtime, development])
    installed = files_below(f"{root}/usr")  # without manuals, where this system's dpkg leaves them out
    held = run(["dpkg-deb", "--contents", runtime])
    for path in ("bin/resnet", "share/bash-completion/completions/resnet", "share/zsh/vendor-completions/_resnet",
                 "share/fish/vendor_completions.d/resnet.fish", "share/man/man1/resnet-predict.1", "share/doc/resnet/copyright",
                 "share/resnet/models/resnet20-cifar10.safetensors", "share/resnet/models/resnet20-cifar10-int8.safetensors",
                 "share/resnet/recipes/finetune.toml", "share/man/man1/resnet-serve.1", "lib/systemd/system/resnet-serve.service",
                 "lib/systemd/system/resnet-serve.socket"):
        assert f"./usr/{path}\n" in held, held
    assert "resnet-train" not in held
    for path in ("bin/resnet", "bin/resnet-serve", "include/resnet/classifier.h", "include/resnet/resnet.h"):
        assert path in installed, installed
    shipped = f"{root}/usr/share/resnet/models/resnet20-cifar10.safetensors"
    print(run([f"{root}/usr/bin/resnet", "predict", shipped, f"{source}/tests/demo.jpg"]))
    run([*dpkg, "--purge", "resnet", "libresnet-dev"])
    assert not os.path.exists(f"{root}/usr"), files_below(f"{root}/usr")
    status = subprocess.run([*dpkg, "--list", "resnet"], capture_output=True, text=True, check=False)
    assert "ii  resnet" not in status.stdout, status.stdout
    print(len(installed), "files installed and removed")
