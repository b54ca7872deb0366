"""A clean Debian 12, made by debootstrap, in which nothing of this machine is: the wheel, the Debian package and what
`cmake --install` leaves are installed there and classify with the model that ships. Part of the long runs. The clean system
is kept as build/chroot/bookworm.tar; remove it for a newer one."""
import glob
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from package import build, run, source

SUITE = "bookworm"


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


if not os.environ.get("RESNET_TEST_ALL"):
    skip("a long run: RESNET_TEST_ALL is not set")
if os.geteuid() != 0:
    skip("only root can enter another root")
for tool in ("debootstrap", "chroot", "tar", "cpack"):
    if not shutil.which(tool):
        skip(f"no {tool}")
os.environ.pop("LD_LIBRARY_PATH", None)


def clean_system(folder):
    """A fresh root; what it takes is fetched once."""
    kept = f"{source}/build/chroot/{SUITE}.tar"
    root = f"{folder}/root"
    if not os.path.exists(kept):
        done = subprocess.run(["debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", SUITE, root],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            skip(f"debootstrap: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        run(["tar", "-C", root, "-cf", f"{kept}.part", "."])
        os.rename(f"{kept}.part", kept)
    else:
        os.makedirs(root)
        run(["tar", "-C", root, "-xf", kept])
    if os.path.exists("/etc/resolv.conf"):
        shutil.copy("/etc/resolv.conf", f"{root}/etc/resolv.conf")
    shutil.copy(f"{source}/tests/demo.jpg", f"{root}/root/demo.jpg")
    shutil.copy(f"{source}/models/resnet20-cifar10.safetensors", f"{root}/root/model.safetensors")
    return root


def inside(root, *command):
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["chroot", root, *command], capture_output=True, text=True, check=False, env=clean)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_answer(text):
    assert "ship" in text.splitlines()[1], text


def try_wheel(root, folder):
    """Before anything else is installed: what it needs it brings along."""
    run([f"{source}/python/make_wheel.sh", build, f"{folder}/wheel"], env={"PYTHON": sys.executable})
    (wheel,) = glob.glob(f"{folder}/wheel/*.whl")
    version = inside(root, "python3", "-c", "import sys; print('cp%d%d' % sys.version_info[:2])").strip()
    if f"-{version}-" not in wheel:
        print(f"not tried: the wheel {os.path.basename(wheel)}, as the clean system's Python is {version}")
        return
    wheels = f"{root}/root/wheels"
    run([f"{folder}/wheel/work/venv/bin/pip", "download", "--quiet", "--only-binary=:all:", "--dest", wheels, wheel])
    inside(root, "python3", "-m", "venv", "/root/env")
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    inside(root, "/root/env/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/root/wheels", "resnet-cpp")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"the wheel: {os.path.getsize(wheel) / 1e6:.1f} MB, installed in {time.time() - begin:.1f} s, {worked:.1f} s of the processor")
    assert worked < 10, worked
    code = ("import resnet_cpp; model = resnet_cpp.Classifier.load('/root/model.safetensors'); "
            "print(); print(model.classify('/root/demo.jpg')[0].label)")
    check_answer(inside(root, "/root/env/bin/python", "-c", code))


def try_package(root, folder):
    """apt finds what it depends on; then the same without the package, from another place."""
    run(["cpack", "-G", "DEB", "--config", f"{build}/CPackConfig.cmake", "-B", folder])
    (package,) = glob.glob(f"{folder}/resnet_*.deb")
    shutil.copy(package, f"{root}/root/resnet.deb")
    inside(root, "apt-get", "update", "-qq")
    inside(root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "/root/resnet.deb")
    check_answer(inside(root, "resnet", "predict", "/usr/share/resnet/models/resnet20-cifar10.safetensors", "/root/demo.jpg"))
    inside(root, "apt-get", "remove", "-y", "-qq", "resnet")
    assert not os.path.exists(f"{root}/usr/bin/resnet")
    run(["cmake", "--install", build, "--prefix", f"{root}/opt/resnet"])
    check_answer(inside(root, "/opt/resnet/bin/resnet", "predict", "/opt/resnet/share/resnet/models/resnet20-cifar10-int8.safetensors",
                        "/root/demo.jpg"))


with tempfile.TemporaryDirectory() as folder:
    clean = clean_system(folder)
    try_wheel(clean, folder)
    try_package(clean, folder)
sys.exit(0)
