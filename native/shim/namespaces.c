/* Steps about namespaces and what belongs to them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "hooks.h"
#include "steps.generated.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

int child_unshare(struct child_context *context, const struct unshare_step *step) {
  (void)context;
  return unshare((int)step->namespaces) < 0 ? fail("unshare") : 0;
}

int child_setns(struct child_context *context, const struct setns_step *step) {
  (void)context;
  int fd = open(step->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail("open namespace %s", step->path);
  int result = setns(fd, (int)step->namespace) < 0 ? fail("enter namespace %s", step->path) : 0;
  close(fd);
  return result;
}

/* The root of a joined mount namespace is taken by its own step; the working directory is its / already. */
int child_setns_of(struct child_context *context, const struct setns_of_step *step) {
  (void)context;
  const struct process *process = process_find(step->process);
  if (process == NULL || process->state == PROCESS_EXITED)
    return fail_with(ESRCH, "no process %s runs here", step->process);
  int result = setns(process->pidfd, (int)step->namespaces) < 0 ? fail("enter the namespaces of %s", step->process) : 0;
  close(process->pidfd);
  return result;
}

int child_enter_time(struct child_context *context) {
  int proc = own_proc();
  (void)context;
  if (proc < 0)
    return -1;
  int fd = openat(proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail("open the time namespace");
  int result = setns(fd, CLONE_NEWTIME) < 0 ? fail("enter the time namespace") : 0;
  close(fd);
  return result;
}

int child_learn_pid(struct child_context *context) {
  if (context->pid == 0)
    context->pid = child_tell(context, MESSAGE_PID, "", -1, true);
  return context->pid < 0 ? -1 : 0;
}

int child_hook_inside(struct child_context *context, const struct hook_inside_step *step) {
  const struct hook hook = {step->name, step->path, step->arguments, step->environment, step->timeout, step->before, step->after};
  return child_learn_pid(context) < 0 ? -1 : hook_run(&hook, context->pid);
}

int child_loopback(struct child_context *context) {
  struct ifreq request;
  (void)context;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return fail("socket");
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  int result = ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  if (result == 0)
    result = ioctl(fd, SIOCSIFFLAGS, &request);
  if (result < 0)
    fail("bring lo up");
  close(fd);
  return result;
}

/* Without keyrings in the kernel there is none to share either. */
int child_keyring(struct child_context *context, const struct keyring_step *step) {
  (void)context;
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, step->name) < 0 && errno != ENOSYS)
    return fail("join session keyring");
  return 0;
}

int child_hostname(struct child_context *context, const struct hostname_step *step) {
  (void)context;
  return sethostname(step->name, strlen(step->name)) < 0 ? fail("set host name") : 0;
}

int child_domainname(struct child_context *context, const struct domainname_step *step) {
  (void)context;
  return setdomainname(step->name, strlen(step->name)) < 0 ? fail("set domain name") : 0;
}
