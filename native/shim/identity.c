/* Steps about who the process is and what it may do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "child.h"
#include "steps.generated.h"

int child_umask(struct child_context *context, const struct umask_step *step) {
  (void)context;
  umask(step->mask);
  return 0;
}

/* The kernel names a directory outside the root "(unreachable)...": a working directory of the host's (CVE-2024-21626). */
static int check_directory(const char *path) {
  char directory[4096];
  if (syscall(SYS_getcwd, directory, sizeof directory) < 0)
    return fail("current directory %s", path);
  return directory[0] == '/' ? 0 : fail_with(EPERM, "working directory %s is outside of the container", path);
}

int child_chdir(struct child_context *context, const struct chdir_step *step) {
  if (step->last != 0 && !context->directory_pending)
    return 0;
  if (chdir(step->path) == 0) {
    context->directory_pending = false;
    return check_directory(step->path);
  }
  if (step->last == 0 && (errno == EACCES || errno == EPERM)) {
    context->directory_pending = true;
    return 0;
  }
  return fail("chdir %s", step->path);
}

/* A stream of the host's that cannot be given away stays as it is, as does the null device. */
int child_own_streams(struct child_context *context, const struct own_streams_step *step) {
  (void)context;
  for (int stream = 0; stream < 3; stream++) {
    struct stat status;
    if (fstat(stream, &status) < 0 || status.st_uid == step->uid || status.st_rdev == makedev(1, 3))
      continue;
    if (fchown(stream, step->uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
      return fail("change the owner of stream %d", stream);
  }
  return 0;
}

int child_bounding(struct child_context *context, const struct bounding_step *step) {
  (void)context;
  for (int capability = 0; capability < 64; capability++) {
    if ((step->keep >> capability & 1) != 0)
      continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
      /* One more than the last that this kernel knows. */
      if (errno == EINVAL)
        return 0;
      return fail("drop capability %d", capability);
    }
  }
  return 0;
}

int child_user(struct child_context *context, const struct user_step *step) {
  (void)context;
  gid_t *groups = calloc((size_t)step->groups.count + 1, sizeof *groups);
  if (groups == NULL)
    return fail_with(ENOMEM, "no memory for groups");
  for (uint32_t index = 0; index < step->groups.count; index++)
    groups[index] = numbers_at(&step->groups, index);
  int result = setgroups(step->groups.count, groups) < 0 ? fail("set supplementary groups") : 0;
  free(groups);
  if (result < 0)
    return -1;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
    return fail("keep capabilities");
  if (setresgid(step->gid, step->gid, step->gid) < 0)
    return fail("setgid %u", step->gid);
  if (setresuid(step->uid, step->uid, step->uid) < 0)
    return fail("setuid %u", step->uid);
  return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ? fail("keep capabilities") : 0;
}

/*
 * What we do not have ourselves cannot be granted, which is no failure (OCI runtime-spec config.md, "capabilities"). Raising an inheritable
 * one needs no more than having it permitted now.
 */
int child_capabilities(struct child_context *context, const struct capabilities_step *step) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  uint64_t granted = 0;
  (void)context;
  if (syscall(SYS_capget, &header, data) < 0)
    return fail("get capabilities");
  for (int half = 0; half < 2; half++) {
    uint32_t own = data[half].permitted;
    data[half].permitted = own & (uint32_t)(step->permitted >> (32 * half));
    data[half].effective = data[half].permitted & (uint32_t)(step->effective >> (32 * half));
    data[half].inheritable = own & (uint32_t)(step->inheritable >> (32 * half));
    granted |= (uint64_t)(data[half].permitted & data[half].inheritable) << (32 * half);
  }
  if (syscall(SYS_capset, &header, data) < 0)
    return fail("set capabilities");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
    return fail("clear ambient capabilities");
  for (int capability = 0; capability < 64; capability++)
    if ((step->ambient & granted) >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      return fail("raise ambient capability %d", capability);
  return 0;
}

int child_no_new_privileges(struct child_context *context) {
  (void)context;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail("set no_new_privs") : 0;
}

static int load_filter(struct bytes filter, uint32_t flags) {
  struct sock_fprog program = {.len = (unsigned short)(filter.length / sizeof(struct sock_filter))};
  if (filter.length % sizeof(struct sock_filter) != 0 || filter.length / sizeof(struct sock_filter) > BPF_MAXINSNS)
    return fail_with(EINVAL, "a seccomp filter has at most %d instructions", BPF_MAXINSNS);
  /* Aligned, unlike in the plan. */
  if ((program.filter = malloc(filter.length)) == NULL)
    return fail_with(ENOMEM, "no memory for a seccomp filter");
  memcpy(program.filter, filter.data, filter.length);
  int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (result < 0)
    fail("load the seccomp filter");
  free(program.filter);
  return result;
}

int child_seccomp(struct child_context *context, const struct seccomp_step *step) {
  (void)context;
  return load_filter(step->filter, step->flags) < 0 ? -1 : 0;
}

int child_seccomp_listener(struct child_context *context, const struct seccomp_listener_step *step) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", step->path) >= sizeof address.sun_path)
    return fail_with(ENAMETOOLONG, "seccomp listener %s", step->path);
  context->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (context->listener < 0)
    return fail("socket");
  return connect(context->listener, (struct sockaddr *)&address, sizeof address) < 0 ? fail("connect to the seccomp listener %s", step->path) : 0;
}

/* One call, sendmsg, is made behind the filter: the planner refuses filters that ask about it. */
int child_seccomp_notify(struct child_context *context, const struct seccomp_notify_step *step) {
  size_t size = strlen(step->before) + strlen(step->after) + 16;
  char *state = malloc(size);
  if (state == NULL)
    return fail_with(ENOMEM, "no memory for a state");
  if (child_learn_pid(context) < 0)
    return -1;
  int length = snprintf(state, size, "%s%d%s", step->before, context->pid, step->after);
  int listener = load_filter(step->filter, step->flags);
  if (listener < 0)
    return -1;
  struct iovec part = {.iov_base = state, .iov_len = (size_t)length};
  union {
    struct cmsghdr align;
    char data[CMSG_SPACE(sizeof(int))];
  } control = {.data = {0}};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof listener);
  memcpy(CMSG_DATA(rights), &listener, sizeof listener);
  /* Both descriptors go with the execution. */
  return sendmsg(context->listener, &header, MSG_NOSIGNAL) < 0 ? fail("send the seccomp listener") : 0;
}

int child_personality(struct child_context *context, const struct personality_step *step) {
  (void)context;
  return personality(step->domain) < 0 ? fail("set personality") : 0;
}

int child_io_priority(struct child_context *context, const struct io_priority_step *step) {
  const int of_process = 1;
  (void)context;
  return syscall(SYS_ioprio_set, of_process, 0, step->priority) < 0 ? fail("set I/O priority") : 0;
}

int child_scheduler(struct child_context *context, const struct scheduler_step *step) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {sizeof attributes, step->policy, step->flags, step->nice, step->priority, step->runtime, step->deadline, step->period};
  (void)context;
  return syscall(SYS_sched_setattr, 0, &attributes, 0) < 0 ? fail("set scheduler") : 0;
}

/* Written through a procfs of our own: the container's may be covered to catch it (CVE-2019-16884). */
static int write_attribute(const char *file, const char *text) {
  int proc = own_proc();
  if (proc < 0)
    return -1;
  int fd = path_open(proc, file, O_WRONLY);
  if (fd < 0)
    return fail("open %s", file);
  ssize_t length = (ssize_t)strlen(text);
  int result = write(fd, text, (size_t)length) == length ? 0 : fail("write %s", file);
  close(fd);
  return result;
}

int child_apparmor(struct child_context *context, const struct apparmor_step *step) {
  char text[512];
  (void)context;
  snprintf(text, sizeof text, "exec %s", step->profile);
  int result = write_attribute("thread-self/attr/apparmor/exec", text);
  return result < 0 && failure.error == ENOENT ? write_attribute("thread-self/attr/exec", text) : result;
}

int child_selinux(struct child_context *context, const struct selinux_step *step) {
  (void)context;
  return write_attribute("thread-self/attr/exec", step->label);
}
