"""What this machine is, in words."""
import os
import platform

# The vector arithmetic that neural networks use, as Linux names it.
FEATURES = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")


def cpu_lines():
    with open("/proc/cpuinfo") as file:
        for line in file:
            name, colon, value = line.partition(":")
            if colon:
                yield name.strip(), value.strip()


def cpu_name():
    return next((value for name, value in cpu_lines() if name == "model name"), platform.machine())


def cpu_features():
    flags = next((set(value.split()) for name, value in cpu_lines() if name == "flags"), set())
    return flags & set(FEATURES)


def cache_sizes():
    """Of the first processor: {"L1": "32K", "L2": "512K", "L3": "32M"}, instruction caches left out."""
    sizes = {}
    base = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        def read(name):
            with open(os.path.join(base, index, name)) as file:
                return file.read().strip()
        if index.startswith("index") and read("type") != "Instruction":
            sizes["L" + read("level")] = read("size")
    return sizes


def processors():
    return len(os.sched_getaffinity(0))


def describe():
    caches = ", ".join(f"{level} {size}" for level, size in cache_sizes().items())
    features = " ".join(name for name in FEATURES if name in cpu_features())
    return f"{cpu_name()}, {processors()} processors, {features}" + (f"; {caches}" if caches else "")
