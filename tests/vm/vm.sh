# SPDX-License-Identifier: GPL-2.0-or-later
# What a test VM is made of, the same for tests/vm/run and tests/vm/state. Source it after
# common.sh:
#
#   vm_options OPTION…       as of tests/vm/run; sets WORDS to how many of the words they were
#   vm_parts                 brings what it is made of; sets VM_KEY, which names all of that
#   vm_build DIRECTORY FILE  sets VM: the command that starts it, with the files of its disks and
#                            ports in DIRECTORY; what it is to do, it reads from FILE
# shellcheck shell=bash disable=SC2034 # what it sets is for others

KERNEL=6.1 MEMORY=1024 SMP=2 APPEND='' DISKS=(1G 1G)
# QEMU runs an instruction that copies or clears a page step by step: by 8 bytes, so, and not by one
CPU=max,erms=off,fsrm=off
ACCEL=(-accel "tcg,thread=multi")

vm_options() {
	local all=$#
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel) KERNEL=$2; shift ;;
		--disk) DISKS+=("$2"); shift ;;
		--memory) MEMORY=$2; shift ;;
		--smp) SMP=$2; shift ;;
		--append) APPEND+=" $2"; shift ;;
		--icount) ACCEL=(-accel tcg -icount "shift=0,sleep=off"); SMP=1 ;;
		*) break ;;
		esac
		shift
	done
	WORDS=$((all - $#))
}

vm_parts() {
	vm_qemu=$("$TOP/tests/vm/qemu") || return
	vm_kernel=$("$TOP/tests/kernels/fetch" "$KERNEL") || return
	vm_image=$("$TOP/tests/vm/image") || return
	vm_initramfs=$("$TOP/tests/vm/initramfs" "$KERNEL") || return
	VM_KEY=$(printf '%s\n' "$vm_qemu" "$vm_kernel" "$vm_image" "$vm_initramfs" "${ACCEL[*]}" "$CPU" \
		"$SMP" "$MEMORY" "$APPEND" "${DISKS[*]}" | sha256sum | cut -c1-16)
}

vm_build() {
	local directory=$1 command=$2 name n
	VM=("$vm_qemu" "${ACCEL[@]}" -cpu "$CPU" -smp "$SMP" -m "$MEMORY" -nodefaults -no-user-config
		-display none -no-reboot -nic none -device virtio-rng-pci
		-device "vmgenid,guid=auto" # each run is one of its own, as restored from a snapshot
		-kernel "$vm_kernel/vmlinuz" -initrd "$vm_initramfs"
		-append "console=ttyS0 quiet panic=-1 mitigations=off systemd.unit=envelope-test.target
			systemd.show_status=no systemd.condition-needs-update=no maxcpus=1 $APPEND"
		-device virtio-serial-pci)
	vm_readonly_disk root "$vm_image"
	vm_disk "$directory/vdb" "${DISKS[0]}"
	vm_disk "$directory/vdc" "${DISKS[1]}"
	vm_readonly_disk modules "$vm_kernel/modules.squashfs"
	for ((n = 2; n < ${#DISKS[@]}; n++)); do
		vm_disk "$directory/disk$n" "${DISKS[n]}"
	done
	vm_port command "path=/dev/null,input-path=$command"
	for name in out err status; do
		vm_port $name "path=$directory/$name"
	done
	vm_pipe "$directory/host"
	VM+=(-device "virtserialport,chardev=host,name=host")
}

vm_readonly_disk() {
	VM+=(-drive "if=none,id=$1,format=raw,readonly=on,file.locking=off,file=$2"
		-device "virtio-blk-pci,drive=$1")
}

# A disk like a managed one: 4096-byte physical sectors behind 512-byte logical ones
vm_disk() {
	local id
	id=$(basename "$1")
	truncate -s "$2" "$1"
	VM+=(-drive "if=none,id=$id,format=raw,cache=unsafe,discard=unmap,file=$1"
		-device "virtio-blk-pci,drive=$id,logical_block_size=512,physical_block_size=4096")
}

vm_port() {
	VM+=(-chardev "file,id=$1,$2" -device "virtserialport,chardev=$1,name=$1")
}

# vm_pipe PATH: to both ways, PATH.in and PATH.out
vm_pipe() {
	mkfifo "$1.in" "$1.out"
	VM+=(-chardev "pipe,id=$(basename "$1"),path=$1")
}
