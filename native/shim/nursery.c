/*
 * The nursery: the one process of a daemon that its shims are born from. A shim that is forked here is there in a fraction of what the
 * daemon's own fork and the program's start would cost, and shares this process's memory until it writes to it. It ends with the daemon.
 *
 * A message is a shim's directory, with the shim's end of its first connection beside it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim.h"

/* Reads one order. 0: the daemon has gone; -1: an order that cannot be read. */
static int read_order(int fd, char *directory, int *connection) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
  } control;
  struct iovec part = {.iov_base = directory, .iov_len = PATH_MAX - 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t length;
  do
    length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  if (length <= 0)
    return 0;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof *connection))
    return -1;
  memcpy(connection, CMSG_DATA(header), sizeof *connection);
  directory[length] = 0;
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
    return 1;
  close(*connection);
  return -1;
}

/* Returns in the child alone, and in the nursery when the daemon has gone. */
bool nursery(int orders, char *directory, int *connection) {
  prctl(PR_SET_NAME, "gantry-nursery");
  prctl(PR_SET_DUMPABLE, 0);
  setsid();
  set_title("gantry-shim nursery");
  /* What it forks is reaped by the kernel for as long as it is the parent. */
  signal(SIGCHLD, SIG_IGN);
  for (int number = 1; number < 32; number++)
    if (number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGPIPE)
      signal(number, SIG_IGN);
  for (int read; (read = read_order(orders, directory, connection)) != 0;) {
    if (read < 0)
      continue;
    pid_t pid = fork();
    if (pid == 0) {
      signal(SIGCHLD, SIG_DFL);
      close(orders);
      return true;
    }
    if (pid < 0) {
      fail("fork");
      connection_send_start_failure(*connection);
    }
    close(*connection);
  }
  return false;
}
