/*
 * User namespaces. What needs the host's rights (opening layers and volumes, mapping their ids) is done by a first process; then the
 * container's own is born as its sibling, inside the user namespace, so that every namespace made with it belongs to that one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "steps.generated.h"

static int write_map(pid_t pid, const char *file, const char *map) {
  char path[64];
  snprintf(path, sizeof path, "%d/%s", pid, file);
  int fd = path_open(own_proc(), path, O_WRONLY);
  if (fd < 0)
    return fail("open %s", path);
  /* The kernel takes a map in one write. */
  int result = write(fd, map, strlen(map)) == (ssize_t)strlen(map) ? 0 : fail("write %s of a user namespace", file);
  close(fd);
  return result;
}

/* A process that only lends its user namespace. */
static pid_t lender(void) {
  struct clone_arguments args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(CALL_CLONE3, &args, sizeof args);
  while (pid == 0)
    pause();
  return pid;
}

int make_user_namespace(const char *uids, const char *gids) {
  char path[64];
  /* Of our own pid namespace, whose numbers the host's does not have. */
  int proc = own_proc();
  pid_t pid = proc < 0 ? -1 : lender();
  if (pid < 0)
    return proc < 0 ? -1 : fail("make a user namespace");
  int fd = -1;
  snprintf(path, sizeof path, "%d/ns/user", pid);
  if (write_map(pid, "uid_map", uids) == 0 && write_map(pid, "gid_map", gids) == 0) {
    fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      fail("open %s", path);
  }
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
    continue;
  return fd;
}

int child_user_namespace(struct child_context *context, const struct user_namespace_step *step) {
  context->user_namespace = make_user_namespace(step->uids, step->gids);
  return context->user_namespace < 0 ? -1 : 0;
}

int child_user_namespace_at(struct child_context *context, const struct user_namespace_at_step *step) {
  context->user_namespace = open(step->path, O_RDONLY | O_CLOEXEC);
  return context->user_namespace < 0 ? fail("open namespace %s", step->path) : 0;
}

/* Capabilities stay: a change to the user namespace's root keeps what is permitted. */
int child_root_user(struct child_context *context) {
  (void)context;
  if (setgroups(0, NULL) < 0)
    return fail("drop supplementary groups");
  if (setresgid(0, 0, 0) < 0)
    return fail("become group 0 of the user namespace");
  return setresuid(0, 0, 0) < 0 ? fail("become root of the user namespace") : 0;
}

/* The shim follows the new process from here on; its answer is waited for, so that it never takes our end for that of the container. */
static _Noreturn void make_way(struct child_context *context, pid_t pid, int pidfd) {
  char number[16];
  snprintf(number, sizeof number, "%d", pid);
  if (child_tell(context, MESSAGE_REBORN, number, pidfd, true) < 0)
    kill(pid, SIGKILL);
  _exit(0);
}

int child_rebirth(struct child_context *context, const struct rebirth_step *step) {
  int pidfd = -1;
  struct clone_arguments args = {
      .flags = CLONE_PARENT | WITH_PIDFD | (uint64_t)step->namespaces,
      .pidfd = (uint64_t)(uintptr_t)&pidfd,
  };
  if (context->user_namespace >= 0 && setns(context->user_namespace, CLONE_NEWUSER) < 0)
    return fail("enter the user namespace");
  /* It goes on when we have made way: two of one container must not speak at once. */
  int gate[2];
  if (pipe2(gate, O_CLOEXEC) < 0)
    return fail("pipe2");
  pid_t pid = (pid_t)syscall(CALL_CLONE3, &args, sizeof args);
  if (pid < 0)
    return fail("clone");
  if (pid > 0)
    make_way(context, pid, pidfd);
  char nothing;
  close(gate[1]);
  while (read(gate[0], &nothing, 1) < 0 && errno == EINTR)
    continue;
  close(gate[0]);
  setsid();
  own_proc_forget();
  return context->user_namespace < 0 ? 0 : child_root_user(context);
}
