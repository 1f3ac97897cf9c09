/* Hooks: programs that the container's owner has executed on its way, with the container's state as their input. */
#define _GNU_SOURCE
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failure.h"
#include "kernel.h"
#include "loop.h"

#define OUTPUT_BYTES 256
#define STATE_BYTES (1u << 20)

struct run {
  pid_t pid;
  int pidfd;
  int input, output;
  char text[OUTPUT_BYTES];
  size_t length;
};

static _Noreturn void become(const struct hook *hook, int input, int output) {
  char **arguments = strings_array(&hook->arguments), **environment = strings_array(&hook->environment);
  char *alone[] = {(char *)(uintptr_t)hook->path, NULL};
  sigset_t none;
  if (arguments == NULL || environment == NULL)
    _exit(126);
  sigemptyset(&none);
  for (int number = 1; number < 65; number++)
    signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  dup2(input, 0);
  dup2(output, 1);
  dup2(output, 2);
  syscall(CALL_CLOSE_RANGE, 3, ~0u, 0);
  execve(hook->path, arguments[0] == NULL ? alone : arguments, environment);
  dprintf(2, "%s: %s", hook->path, strerror(errno));
  _exit(127);
}

static int start(const struct hook *hook, struct run *run) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) < 0)
    return fail("pipe2");
  if (pipe2(out, O_CLOEXEC) < 0) {
    fail("pipe2");
    close(in[0]);
    close(in[1]);
    return -1;
  }
  run->pid = fork();
  if (run->pid == 0)
    become(hook, in[0], out[1]);
  int error = errno;
  close(in[0]);
  close(out[1]);
  run->input = in[1];
  run->output = out[0];
  fcntl(run->input, F_SETFL, O_NONBLOCK);
  errno = error;
  if (run->pid < 0)
    return fail("fork");
  run->pidfd = (int)syscall(CALL_PIDFD_OPEN, run->pid, 0);
  return run->pidfd < 0 ? fail("pidfd_open") : 0;
}

static void close_input(struct run *run) {
  if (run->input >= 0)
    close(run->input);
  run->input = -1;
}

/* A hook need not read its input, nor end when it has closed its output. */
static void pass_input(struct run *run, const char *state, size_t length, size_t *done) {
  ssize_t written = write(run->input, state + *done, length - *done);
  if (written > 0)
    *done += (size_t)written;
  if (*done == length || (written < 0 && errno != EAGAIN && errno != EINTR))
    close_input(run);
}

/* The first bytes of what it says are for people to read; false at its end. */
static bool take_output(struct run *run) {
  char chunk[1024];
  ssize_t length = read(run->output, chunk, sizeof chunk);
  if (length <= 0)
    return length < 0 && errno == EINTR;
  size_t room = sizeof run->text - 1 - run->length;
  size_t taken = (size_t)length < room ? (size_t)length : room;
  memcpy(run->text + run->length, chunk, taken);
  run->length += taken;
  return true;
}

static int remaining(uint64_t deadline) {
  uint64_t now = loop_now();
  return deadline == 0 ? -1 : now >= deadline ? 0 : (int)(deadline - now);
}

/* Until it ends; false when its time is over. A child of its own may hold the output longer than it lives. */
static bool converse(struct run *run, const char *state, uint64_t deadline, int *status) {
  size_t done = 0, length = strlen(state);
  for (bool open = true;;) {
    struct pollfd polled[3] = {{.fd = run->input, .events = POLLOUT},
                               {.fd = open ? run->output : -1, .events = POLLIN},
                               {.fd = run->pidfd, .events = POLLIN}};
    if (poll(polled, 3, remaining(deadline)) == 0)
      return false;
    if (polled[2].revents != 0)
      return waitpid(run->pid, status, __WALL) == run->pid;
    if (run->input >= 0 && polled[0].revents != 0)
      pass_input(run, state, length, &done);
    if (open && polled[1].revents != 0)
      open = take_output(run);
  }
}

static int judge(const struct hook *hook, struct run *run, bool ended, int status) {
  while (ended && fcntl(run->output, F_SETFL, O_NONBLOCK) == 0 && take_output(run))
    continue;
  run->text[run->length] = 0;
  while (run->length > 0 && strchr("\r\n ", run->text[run->length - 1]) != NULL)
    run->text[--run->length] = 0;
  if (!ended)
    return fail_with(ETIME, "error running %s hook %s: hook ran past specified timeout of %us", hook->name, hook->path, hook->timeout);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return 0;
  bool killed = WIFSIGNALED(status);
  return fail_with(ECANCELED, "error running %s hook %s: %s %d, output: %s", hook->name, hook->path, killed ? "signal" : "exit status",
                   killed ? WTERMSIG(status) : WEXITSTATUS(status), run->text);
}

int hook_run(const struct hook *hook, pid_t pid) {
  struct run run = {.pidfd = -1, .input = -1, .output = -1};
  size_t size = strlen(hook->before) + strlen(hook->after) + 16;
  if (size > STATE_BYTES)
    return fail_with(E2BIG, "the state for hooks has at most %d bytes", STATE_BYTES);
  char *state = malloc(size);
  if (state == NULL)
    return fail_with(ENOMEM, "no memory for a hook");
  snprintf(state, size, "%s%d%s", hook->before, pid, hook->after);
  int status = 0, result = start(hook, &run);
  if (result == 0) {
    uint64_t deadline = hook->timeout == 0 ? 0 : loop_now() + (uint64_t)hook->timeout * 1000;
    bool ended = converse(&run, state, deadline, &status);
    if (!ended) {
      kill(run.pid, SIGKILL);
      while (waitpid(run.pid, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    }
    result = judge(hook, &run, ended, status);
  }
  close_input(&run);
  if (run.output >= 0)
    close(run.output);
  if (run.pidfd >= 0)
    close(run.pidfd);
  free(state);
  return result;
}
