#!/usr/bin/env bash
# Boots a small emulated machine that has cameras, and runs a script of sh's there: Debian's own kernel with vivid, its virtual
# camera, as /dev/video0 and on. What the machine says goes to standard output.
#
#   boot.sh CACHE PROGRAM SCRIPT DEVICES single|multi
#
# CACHE keeps the kernel. The script finds PROGRAM as /app/PROGRAM's name, and busybox's and v4l2-ctl's commands.
set -euo pipefail
cache=$1 program=$2 script=$3 devices=$4 planes=$5
# where Debian keeps modprobe, off other users' paths
PATH=$PATH:/usr/sbin:/sbin

for need in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio v4l2-ctl:v4l-utils modprobe:kmod; do
  command -v "${need%%:*}" >/dev/null || {
    echo "${need%%:*} is missing: apt install ${need##*:}" >&2
    exit 2
  }
done

if [[ ! -d "$cache/kernel" ]]; then
  aside=$(mktemp -d "$cache/kernel.XXXX")
  (
    cd "$aside"
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
    [[ -n "$package" ]] && apt-get download -qq "$package" >&2 || {
      echo "Debian's kernel cannot be downloaded: apt-get update as root, and try again" >&2
      exit 2
    }
    dpkg-deb -x linux-image-*.deb . && rm linux-image-*.deb
  )
  mv "$aside" "$cache/kernel"
fi
kernel=$(compgen -G "$cache/kernel/boot/vmlinuz-*")
release=${kernel##*/vmlinuz-}

root=$(mktemp -d)
trap 'rm -rf "$root" "$root.img"' EXIT
mkdir -p "$root"/{bin,proc,sys,dev,tmp,modules,app}
cp "$(command -v busybox)" "$root/bin/busybox"
for file in "$program" "$(command -v v4l2-ctl)"; do
  cp -L "$file" "$root/app/"
  ldd "$file" | grep -oE '/[^ ]+' | while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
  done
done
cp "$script" "$root/app/script"
depmod -b "$cache/kernel" "$release"
modprobe -d "$cache/kernel" -S "$release" --show-depends vivid | awk '$1 == "insmod" { print $2 }' | cat -n |
  while read -r number module; do
    cp "$module" "$root/modules/$(printf %02d "$number")-${module##*/}"
  done

# Each device films alone: it has no tuner, no output and no text of its own.
each() { printf "%s" "$1"; for ((i = 1; i < devices; i++)); do printf ",%s" "$1"; done; }
cat >"$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/app:/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
ip link set lo up
for module in /modules/*; do
  case \$module in
    *vivid*) insmod \$module n_devs=$devices node_types=$(each 1) multiplanar=$(each $([[ $planes == multi ]] && echo 2 || echo 1)) ;;
    *) insmod \$module ;;
  esac
done
sleep 1
for camera in /dev/video*; do v4l2-ctl -d \$camera -i 0 >/dev/null; done
cd /tmp
# the console's own first line is not ended
echo
sh /app/script </dev/null 2>&1
echo "== end"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio --create --format newc --quiet | gzip -1) >"$root.img"
# the kernel's own lines would break up those of the script
timeout 600 qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -m 2048 -smp 2 -nographic -no-reboot -net none \
  -kernel "$kernel" -initrd "$root.img" -append "console=ttyS0 quiet loglevel=1 panic=-1" </dev/null | tr -d '\r'
