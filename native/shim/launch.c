/* The shim's side of a launch: the steps before the process is there, and those that it takes for the process. */
#define _GNU_SOURCE
#include "launch.h"
#include "hooks.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steps.generated.h"

/* ---- steps before clone */

int shim_pid_namespace(struct shim_context *context, const struct pid_namespace_step *step) {
  if (context->cloned)
    return fail_with(EINVAL, "pid-namespace must come before clone");
  context->pid_namespace = open(step->path, O_RDONLY | O_CLOEXEC);
  return context->pid_namespace < 0 ? fail("open %s", step->path) : 0;
}

int shim_pid_namespace_of(struct shim_context *context, const struct pid_namespace_of_step *step) {
  char path[64];
  const struct process *process = process_find(step->process);
  if (context->cloned)
    return fail_with(EINVAL, "pid-namespace-of must come before clone");
  if (process == NULL || process->state == PROCESS_EXITED)
    return fail_with(ESRCH, "no process %s runs here", step->process);
  snprintf(path, sizeof path, "/proc/%d/ns/pid", process->pid);
  context->pid_namespace = open(path, O_RDONLY | O_CLOEXEC);
  if (context->pid_namespace < 0)
    return fail("open %s", path);
  /* Still the same process: the namespace is its own, not that of a later one with its number. */
  if (syscall(CALL_PIDFD_SEND_SIGNAL, process->pidfd, 0, NULL, 0) < 0)
    return fail("process %s has ended", step->process);
  return 0;
}

static pid_t clone_process(uint64_t namespaces, int *pidfd) {
  struct clone_arguments args = {
      .flags = namespaces | WITH_PIDFD,
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .exit_signal = SIGCHLD,
  };
  return (pid_t)syscall(CALL_CLONE3, &args, sizeof args);
}

/* Makes the process in another pid namespace: only children are born there, the shim stays where it is. */
static pid_t clone_elsewhere(int pid_namespace, uint64_t namespaces, int *pidfd) {
  int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  if (own < 0)
    return fail("open /proc/self/ns/pid");
  if (setns(pid_namespace, CLONE_NEWPID) < 0) {
    fail("enter the pid namespace");
    close(own);
    return -1;
  }
  pid_t pid = clone_process(namespaces, pidfd);
  int error = errno;
  if (pid != 0 && setns(own, CLONE_NEWPID) < 0)
    abort();
  close(own);
  errno = error;
  return pid;
}

static void sync_ready(struct watch *watch, uint32_t events);

int shim_clone(struct shim_context *context, const struct clone_step *step) {
  struct process *process = context->process;
  int pair[2], pidfd = -1;
  if (context->cloned)
    return fail_with(EINVAL, "a plan has one clone");
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    return fail("socketpair");
  pid_t pid = context->pid_namespace < 0 ? clone_process(step->namespaces, &pidfd)
                                         : clone_elsewhere(context->pid_namespace, step->namespaces, &pidfd);
  if (pid == 0)
    child_run(process, context->list, context->index + 1, pair[1], context->child_ends);
  int error = errno;
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return fail_with(error, "clone");
  }
  context->cloned = true;
  process->pid = pid;
  process->pidfd = pidfd;
  process_set_identity(process);
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  return loop_add(&process->sync, pair[0], EPOLLIN, sync_ready);
}

/* ---- steps taken for the process */

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return fail("open %s", path);
  ssize_t length = (ssize_t)strlen(text);
  ssize_t written = write(fd, text, (size_t)length);
  int error = errno;
  close(fd);
  return written == length ? 0 : fail_with(error, "write %s", path);
}

static int write_proc(const struct shim_context *context, const char *file, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", context->process->pid, file);
  return write_file(path, text);
}

int shim_cgroup(struct shim_context *context, const struct cgroup_step *step) {
  char pid[16];
  struct strings files = step->files;
  snprintf(pid, sizeof pid, "%d", context->process->pid);
  for (const char *file; (file = strings_next(&files)) != NULL;)
    if (write_file(file, pid) < 0)
      return -1;
  return 0;
}

int shim_watch_oom(struct shim_context *context, const struct watch_oom_step *step) {
  if (oom_watch(step->directory, step->version) < 0)
    return -1;
  context->process->oom_kills_before = oom_kills();
  return 0;
}

int shim_oom_score(struct shim_context *context, const struct oom_score_step *step) {
  char text[16];
  snprintf(text, sizeof text, "%d", step->adjustment);
  return write_proc(context, "oom_score_adj", text);
}

int shim_rlimit(struct shim_context *context, const struct rlimit_step *step) {
  struct resource_limit limit = {.soft = step->soft, .hard = step->hard};
  if (syscall(SYS_prlimit64, context->process->pid, step->resource, &limit, NULL) < 0)
    return fail("set resource limit %u", step->resource);
  return 0;
}

/* Before any process is in the time namespace: afterwards it is as it is. */
int shim_time_offsets(struct shim_context *context, const struct time_offsets_step *step) {
  return write_proc(context, "timens_offsets", step->offsets);
}

int shim_hook(struct shim_context *context, const struct hook_step *step) {
  const struct hook hook = {step->name, step->path, step->arguments, step->environment, step->timeout, step->before, step->after};
  return hook_run(&hook, context->process->pid);
}

/* ---- the plan, and what the process says */

static struct step_list *parse(struct bytes plan) {
  struct reader reader;
  struct step step;
  size_t count = 0;
  if (plan_open(plan, &reader) < 0)
    return NULL;
  for (struct reader all = reader; plan_next(&all, &step);)
    count++;
  if (failure.error != 0)
    return NULL;
  if (count > MOST_STEPS) {
    fail_with(E2BIG, "a plan has at most %d steps", MOST_STEPS);
    return NULL;
  }
  struct step_list *list = malloc(sizeof *list + count * sizeof *list->steps);
  if (list == NULL) {
    fail_with(ENOMEM, "no memory for a plan");
    return NULL;
  }
  for (list->count = 0; list->count < count; list->count++)
    plan_next(&reader, &list->steps[list->count]);
  return list;
}

static int take_steps(struct shim_context *context) {
  for (context->index = 0; !context->cloned; context->index++) {
    if (context->index == context->list->count)
      return fail_with(EINVAL, "the plan has no clone");
    struct step *step = &context->list->steps[context->index];
    if (run_shim_step(context, step->code, &step->arguments) < 0)
      return -1;
  }
  return 0;
}

int launch_start(struct process *process, struct bytes plan, uint32_t *failed_step) {
  struct shim_context context = {.process = process, .pid_namespace = -1};
  if ((process->plan = malloc(plan.length)) == NULL)
    return fail_with(ENOMEM, "no memory for a plan");
  memcpy(process->plan, plan.data, plan.length);
  plan.data = process->plan;
  if ((process->steps = context.list = parse(plan)) == NULL)
    return -1;
  if (streams_open(process, context.child_ends) < 0)
    return -1;
  int result = take_steps(&context);
  for (int index = 0; index < 3; index++)
    if (context.child_ends[index] >= 0)
      close(context.child_ends[index]);
  if (context.pid_namespace >= 0)
    close(context.pid_namespace);
  *failed_step = (uint32_t)context.index;
  return result;
}

void launch_forget(struct process *process) {
  loop_close(&process->sync);
  free(process->steps);
  free(process->plan);
  process->steps = NULL;
  process->plan = NULL;
}

static void answer(struct process *process, answer_t value) {
  send(process->sync.fd, &value, sizeof value, MSG_NOSIGNAL);
}

void launch_resume(struct process *process) {
  answer(process, 0);
}

/* One round trip for all the steps that the process would ask for one after the other. */
static void take_for(struct process *process, uint32_t index) {
  struct shim_context context = {.process = process, .list = process->steps, .pid_namespace = -1, .cloned = true};
  answer_t taken = 0;
  for (context.index = index; context.index < process->steps->count; context.index++, taken++) {
    struct step step = process->steps->steps[context.index];
    if (!is_shim_step(step.code))
      break;
    failure.error = 0;
    if (run_shim_step(&context, step.code, &step.arguments) < 0) {
      answer(process, -1);
      process_launch_failed(process, (uint32_t)context.index);
      return;
    }
  }
  answer(process, taken);
}

static int received_fd(struct msghdr *header) {
  int fd = -1;
  struct cmsghdr *control = CMSG_FIRSTHDR(header);
  if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
    memcpy(&fd, CMSG_DATA(control), sizeof fd);
  return fd;
}

/* The process goes on as a sibling, in a user namespace. */
static void follow(struct process *process, const char *pid, int pidfd) {
  if (process->pidfd >= 0)
    close(process->pidfd);
  process->pid = (pid_t)atoi(pid);
  process->pidfd = pidfd;
  process_set_identity(process);
  answer(process, 0);
}

static void handle_message(struct process *process, const struct message *message, int fd) {
  switch (message->kind) {
  case MESSAGE_SHIM_STEP:
    take_for(process, message->step);
    break;
  case MESSAGE_NOTIFY:
    connection_tell_notify(process, message->failure.text);
    break;
  case MESSAGE_PAUSE:
    process_reached(process, PROCESS_PAUSED);
    break;
  case MESSAGE_TERMINAL:
    if (fd >= 0 && process->inherits)
      launcher_terminal(fd);
    else if (fd >= 0)
      streams_terminal(process, fd);
    break;
  case MESSAGE_LAUNCHED:
    process->launched = true;
    break;
  case MESSAGE_REBORN:
    follow(process, message->failure.text, fd);
    break;
  case MESSAGE_PID:
    answer(process, process->pid);
    break;
  case MESSAGE_FAILED:
    failure = message->failure;
    process_launch_failed(process, message->step);
    break;
  }
}

/* Everything the process has said so far. Its end of the socket closes as it executes. */
static void sync_ready(struct watch *watch, uint32_t events) {
  struct process *process = container_of(watch, struct process, sync);
  (void)events;
  while (watch->fd >= 0) {
    struct message message;
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    union {
      struct cmsghdr align;
      char data[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(watch->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == EINTR)
      continue;
    if (length < 0 && errno == EAGAIN)
      return;
    if (length == (ssize_t)sizeof message) {
      message.failure.text[sizeof message.failure.text - 1] = 0;
      handle_message(process, &message, received_fd(&header));
      continue;
    }
    bool launched = process->launched && !process->failed;
    launch_forget(process);
    if (launched)
      process_reached(process, PROCESS_RUNNING);
  }
}

void launch_drain(struct process *process) {
  if (process->sync.fd >= 0)
    sync_ready(&process->sync, EPOLLIN);
}
