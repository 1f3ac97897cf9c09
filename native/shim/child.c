/* The process's side of a launch: it takes its steps one after the other, and ends with the last one or the first that fails. */
#define _GNU_SOURCE
#include "child.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steps.generated.h"

#define FAILED_CODE 127

static int send_message(struct child_context *context, const struct message *message, int fd) {
  struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof *message};
  union {
    struct cmsghdr align;
    char data[CMSG_SPACE(sizeof(int))];
  } control = {.data = {0}};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    header.msg_control = &control;
    header.msg_controllen = sizeof control;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  return sendmsg(context->sync, &header, MSG_NOSIGNAL) < 0 ? fail("tell the shim") : 0;
}

int child_tell(struct child_context *context, enum message_kind kind, const char *text, int fd, bool wait) {
  struct message message;
  answer_t answer;
  memset(&message, 0, sizeof message);
  message.kind = kind;
  message.step = context->index;
  snprintf(message.failure.text, sizeof message.failure.text, "%s", text);
  if (send_message(context, &message, fd) < 0)
    return -1;
  if (!wait)
    return 0;
  ssize_t length;
  do
    length = recv(context->sync, &answer, sizeof answer, 0);
  while (length < 0 && errno == EINTR);
  /* Refused, and the shim has told why; or the shim has gone. */
  if (length != sizeof answer || answer < 0)
    _exit(FAILED_CODE);
  return answer;
}

_Noreturn void child_fail(struct child_context *context) {
  struct message message;
  memset(&message, 0, sizeof message);
  message.kind = MESSAGE_FAILED;
  message.step = context->index;
  message.failure = failure;
  send_message(context, &message, -1);
  _exit(FAILED_CODE);
}

static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < 65; number++)
    signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static int compare(const void *one, const void *other) {
  return *(const int *)one - *(const int *)other;
}

/* Of the shim's descriptors the process keeps the standard streams, its end of the socket, and pidfds that its steps name. */
static void close_others(struct step_list *list, size_t index, int sync) {
  int kept[8] = {sync};
  unsigned count = 1, next = 3 + launcher_preserved;
  if (launcher_start_socket >= 0)
    kept[count++] = launcher_start_socket;
  for (; index < list->count; index++) {
    struct setns_of_step step;
    struct reader arguments = list->steps[index].arguments;
    if (list->steps[index].code != STEP_SETNS_OF || !read_string(&arguments, &step.process))
      continue;
    const struct process *process = process_find(step.process);
    if (process != NULL && process->pidfd >= 0 && count < 8)
      kept[count++] = process->pidfd;
  }
  qsort(kept, count, sizeof *kept, compare);
  for (unsigned at = 0; at < count; at++) {
    if ((unsigned)kept[at] > next)
      syscall(CALL_CLOSE_RANGE, next, kept[at] - 1, 0);
    next = (unsigned)kept[at] + 1;
  }
  syscall(CALL_CLOSE_RANGE, next, ~0u, 0);
}

/* Standard streams first: they come from descriptors above 2, the shim's own being open. */
static void take_streams(const int ends[3]) {
  for (int number = 0; number < 3; number++)
    if (ends[number] >= 0)
      dup2(ends[number], number);
}

/* Returns how many steps were taken, -1 with the failure recorded. */
static int take_step(struct child_context *context, struct step *step) {
  failure.error = 0;
  if (is_shim_step(step->code))
    return child_tell(context, MESSAGE_SHIM_STEP, "", -1, true);
  return run_child_step(context, step->code, &step->arguments) < 0 ? -1 : 1;
}

_Noreturn void child_run(struct process *process, struct step_list *list, size_t index, int sync, const int ends[3]) {
  struct child_context context = {.process = process, .sync = sync, .root = -1, .user_namespace = -1, .listener = -1};
  loop_forget();
  reset_signals();
  setsid();
  take_streams(ends);
  close_others(list, index, sync);
  umask(0);
  for (int taken; index < list->count; index += (size_t)taken) {
    context.index = (uint32_t)index;
    taken = take_step(&context, &list->steps[index]);
    if (taken < 0)
      child_fail(&context);
  }
  fail_with(EINVAL, "the plan ends without exec");
  child_fail(&context);
}

int child_notify(struct child_context *context, const struct notify_step *step) {
  return child_tell(context, MESSAGE_NOTIFY, step->tag, -1, false);
}

/* Created; whoever starts it hears the rest. */
static int wait_for_start(struct child_context *context) {
  int starter;
  if (child_tell(context, MESSAGE_PAUSE, "", -1, false) < 0)
    return -1;
  do
    starter = accept4(launcher_start_socket, NULL, NULL, SOCK_CLOEXEC);
  while (starter < 0 && errno == EINTR);
  if (starter < 0)
    return fail("wait for the start");
  close(launcher_start_socket);
  close(context->sync);
  context->sync = starter;
  return 0;
}

int child_pause(struct child_context *context) {
  if (launcher_start_socket >= 0)
    return wait_for_start(context);
  return child_tell(context, MESSAGE_PAUSE, "", -1, true);
}
