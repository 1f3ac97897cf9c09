/*
 * The kernel's interface where C libraries and their headers differ: older ones lack it, newer ones clash with <linux/mount.h>.
 * Call numbers from 424 on are the same on every architecture.
 */
#ifndef GANTRY_KERNEL_H
#define GANTRY_KERNEL_H
#include <stdint.h>

enum kernel_call {
  CALL_PIDFD_SEND_SIGNAL = 424,
  CALL_OPEN_TREE = 428,
  CALL_MOVE_MOUNT = 429,
  CALL_FSOPEN = 430,
  CALL_FSCONFIG = 431,
  CALL_FSMOUNT = 432,
  CALL_PIDFD_OPEN = 434,
  CALL_CLONE3 = 435,
  CALL_CLOSE_RANGE = 436,
  CALL_OPENAT2 = 437,
  CALL_MOUNT_SETATTR = 442
};

/* clone3(2); CLONE_PIDFD too, which old headers lack. */
struct clone_arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};
#define WITH_PIDFD 0x1000

/* openat2(2) */
struct open_arguments {
  uint64_t flags, mode, resolve;
};
#define IN_ROOT 0x10
#define NO_LINKS 0x04
#define NO_MAGIC_LINKS 0x02

/* close_range(2) */
#define ON_EXEC 4

/* mount_setattr(2), fsmount(2) */
struct mount_attributes {
  uint64_t set, clear, propagation, userns;
};
#define ATTRIBUTE_READ_ONLY 0x1
#define ATTRIBUTE_NO_SUID 0x2
#define ATTRIBUTE_NO_DEVICES 0x4
#define ATTRIBUTE_NO_EXEC 0x8
#define ATTRIBUTE_MAPPED 0x100000
#define WHOLE_TREE 0x8000

/* open_tree(2); both 02000000 on every architecture we run on. */
#define TREE_COPY 1
#define TREE_CLOEXEC 02000000

/* move_mount(2) */
#define FROM_DESCRIPTOR 0x04
#define TO_DESCRIPTOR 0x40

/* fsopen(2), fsconfig(2), fsmount(2) */
#define CONTEXT_CLOEXEC 1
enum context_command { CONTEXT_FLAG = 0, CONTEXT_STRING = 1, CONTEXT_CREATE = 6 };

/* prlimit(2) */
struct resource_limit {
  uint64_t soft, hard;
};

#endif
