"""The Debian packages: what is in them, that they install into an empty root, run there and leave nothing behind."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from package import build, model_and_picture, run

for tool in ("cpack", "dpkg", "dpkg-deb", "dpkg-shlibdeps", "file"):
    if not shutil.which(tool):
        print("skipped: no", tool)
        sys.exit(77)
if os.geteuid() != 0:
    print("skipped: only root can install a package")
    sys.exit(77)


def files_below(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names)


def fields(package):
    text = run(["dpkg-deb", "--field", package])
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" ") and ": " in line), text


with tempfile.TemporaryDirectory() as folder:
    run(["cpack", "-G", "DEB", "--config", f"{build}/CPackConfig.cmake", "-B", folder])
    packages = sorted(glob.glob(f"{folder}/*.deb"))
    development, runtime = packages
    control, text = fields(runtime)
    assert control["Package"] == "resnet", control
    for library in ("libc6", "libjpeg", "libpng", "libwebp", "libfmt"):
        assert library in control["Depends"], control
    assert "does not hold resnet-train" in text
    assert fields(development)[0]["Package"] == "libresnet-dev"

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
    for path in ("bin/resnet", "share/bash-completion/completions/resnet", "share/man/man1/resnet-predict.1", "share/doc/resnet/copyright"):
        assert f"./usr/{path}\n" in held, held
    assert "resnet-train" not in held
    for path in ("bin/resnet", "include/resnet/classifier.h", "include/resnet/resnet.h"):
        assert path in installed, installed
    model, picture = model_and_picture(folder)
    print(run([f"{root}/usr/bin/resnet", "predict", model, picture]))
    run([*dpkg, "--purge", "resnet", "libresnet-dev"])
    assert not os.path.exists(f"{root}/usr"), files_below(f"{root}/usr")
    status = subprocess.run([*dpkg, "--list", "resnet"], capture_output=True, text=True, check=False)
    assert "ii  resnet" not in status.stdout, status.stdout
    print(len(installed), "files installed and removed")
