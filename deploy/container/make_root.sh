#!/bin/sh
# The root file system of the container: the server, stripped, and the libraries that it needs. No shell, no other program.
#   deploy/container/make_root.sh build/release/resnet-serve root
set -eu
if [ $# -ne 2 ]; then
  echo "usage: $0 PROGRAM FOLDER" >&2
  exit 2
fi
program=$1 root=$2
if [ -e "$root" ]; then
  echo "$0: $root is there already" >&2
  exit 1
fi
mkdir -p "$root/usr/bin" "$root/etc" "$root/models"
strip -o "$root/usr/bin/resnet-serve" "$program"
# "libssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x...)", "/lib64/ld-linux-x86-64.so.2 (0x...)"
libraries=$(ldd "$program")
case $libraries in *"not found"*) echo "$0: $libraries" >&2; exit 1 ;; esac
echo "$libraries" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
echo 'serve:x:65532:65532::/:/nonexistent' > "$root/etc/passwd"
