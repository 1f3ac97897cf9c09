/* The process's terminal: a pty of the container's own devpts, whose master goes to the shim. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "steps.generated.h"

/* Nothing but a devpts answers for /dev/pts/ptmx: an image cannot put a file or a link in its place. */
static int open_master(int root) {
  long type = 0;
  int master = path_open_plain(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (master < 0)
    return fail("open /dev/pts/ptmx");
  if (file_system_type(master, &type) < 0 || type != DEVPTS_SUPER_MAGIC) {
    close(master);
    return fail_with(EINVAL, "/dev/pts of the container is not a devpts");
  }
  return master;
}

/* The other end by descriptor, not by a name that may lead elsewhere (CVE-2025-52565). */
static int open_peer(int master) {
  int unlocked = 0;
  if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
    return fail("unlock the pty");
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return peer < 0 ? fail("open the pty") : peer;
}

static int bind_console(int root, int peer) {
  int made = path_make(root, "/dev/console", false, 0600);
  if (made < 0)
    return -1;
  close(made);
  int target = path_open_plain(root, "/dev/console", O_PATH);
  if (target < 0)
    return fail("open /dev/console");
  int tree = (int)syscall(CALL_OPEN_TREE, peer, "", TREE_COPY | TREE_CLOEXEC | AT_EMPTY_PATH);
  int result = tree < 0 ? fail("bind /dev/console") : attach_mount(tree, target);
  if (tree >= 0)
    close(tree);
  close(target);
  return result;
}

static int take_terminal(int peer, uint32_t uid) {
  if (fchown(peer, uid, (gid_t)-1) < 0 && errno != EPERM)
    return fail("change the owner of the pty");
  if (ioctl(peer, TIOCSCTTY, 0) < 0)
    return fail("take the controlling terminal");
  for (int stream = 0; stream < 3; stream++)
    if (dup2(peer, stream) < 0)
      return fail("dup2");
  return 0;
}

int child_terminal(struct child_context *context, const struct terminal_step *step) {
  int master = open_master(context->root);
  if (master < 0)
    return -1;
  int peer = open_peer(master);
  int result = peer < 0 ? -1 : 0;
  if (result == 0 && step->console != 0)
    result = bind_console(context->root, peer);
  if (result == 0)
    result = take_terminal(peer, step->uid);
  if (result == 0)
    result = child_tell(context, MESSAGE_TERMINAL, "", master, false);
  if (peer >= 0)
    close(peer);
  close(master);
  return result;
}
