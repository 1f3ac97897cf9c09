/* The last steps: the process executes its program, or stays as an init or as a pod's sandbox. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "steps.generated.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* 0, or the error number that speaks against executing it. */
static int executable(const char *path) {
  struct stat status;
  if (stat(path, &status) < 0)
    return errno;
  if (S_ISDIR(status.st_mode))
    return EISDIR;
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static const char *search_path(char **environment) {
  for (; *environment != NULL; environment++)
    if (strncmp(*environment, "PATH=", 5) == 0)
      return *environment + 5;
  return DEFAULT_PATH;
}

/* As Go's exec.LookPath, which runc asks: a name with a slash is taken as it is, any other looked for in PATH. */
static int find_program(const char *name, char **environment, char *path, size_t size) {
  if (strchr(name, '/') != NULL) {
    int error = executable(name);
    snprintf(path, size, "%s", name);
    return error == 0 ? 0 : fail_with(error, "%s", name);
  }
  for (const char *at = search_path(environment); *name != 0;) {
    size_t length = strcspn(at, ":");
    int written = snprintf(path, size, "%.*s%s%s", (int)length, at, length == 0 ? "" : "/", name);
    if ((size_t)written < size && executable(path) == 0)
      return 0;
    if (at[length] == 0)
      break;
    at += length + 1;
  }
  return fail_with(ENOENT, "executable file not found in $PATH");
}

int child_find_program(struct child_context *context, const struct find_program_step *step) {
  char path[4096];
  char **arguments = strings_array(&step->arguments);
  char **environment = strings_array(&step->environment);
  (void)context;
  if (arguments == NULL || environment == NULL)
    return fail_with(ENOMEM, "no memory for arguments");
  int result = arguments[0] == NULL ? fail_with(EINVAL, "no program is named") : find_program(arguments[0], environment, path, sizeof path);
  free(arguments);
  free(environment);
  return result;
}

int child_exec(struct child_context *context, const struct exec_step *step) {
  char path[4096];
  char **arguments = strings_array(&step->arguments);
  char **environment = strings_array(&step->environment);
  if (arguments == NULL || environment == NULL)
    return fail_with(ENOMEM, "no memory for arguments");
  if (arguments[0] == NULL)
    return fail_with(EINVAL, "no program is named");
  if (find_program(arguments[0], environment, path, sizeof path) < 0)
    return -1;
  if (child_tell(context, MESSAGE_LAUNCHED, "", -1, false) < 0)
    return -1;
  syscall(CALL_CLOSE_RANGE, 3 + launcher_preserved, ~0u, ON_EXEC);
  execve(path, arguments, environment);
  return fail("exec %s", path);
}

/* What stays for ever without executing anything is called by its own name, … */
static void name_self(const char *title) {
  prctl(PR_SET_NAME, title);
  set_title(title);
}

/* … and lets go of all that execution would close. */
static int settle_down(void) {
  syscall(CALL_CLOSE_RANGE, 3, ~0u, 0);
  return chdir("/");
}

static _Noreturn void end_like(int status) {
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* Reaps all; ends when `child` has. */
static void reap(pid_t child) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == child)
      end_like(status);
}

static _Noreturn void be_init(pid_t child, const sigset_t *all) {
  if (settle_down() < 0)
    _exit(126);
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(all, &info);
    if (number == SIGCHLD)
      reap(child);
    else if (number > 0 && number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
      kill(child, number);
  }
}

/* The child is the leader of a group of its own, in the terminal's foreground when there is one. */
static int leave_init(const sigset_t *before) {
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  if (isatty(STDIN_FILENO) && tcsetpgrp(STDIN_FILENO, getpid()) < 0 && errno != ENOTTY && errno != ENXIO)
    return fail("take the terminal's foreground");
  signal(SIGTTOU, SIG_DFL);
  sigprocmask(SIG_SETMASK, before, NULL);
  return 0;
}

int child_init(struct child_context *context) {
  sigset_t all, before;
  (void)context;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  name_self("init");
  pid_t child = fork();
  if (child < 0)
    return fail("fork");
  if (child > 0)
    be_init(child, &all);
  return leave_init(&before);
}

int child_sandbox(struct child_context *context) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  name_self("pause");
  if (child_tell(context, MESSAGE_LAUNCHED, "", -1, false) < 0 || settle_down() < 0)
    return fail("settle down");
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(&all, &info);
    if (number == SIGCHLD)
      reap(-1);
    else if (number == SIGTERM || number == SIGINT)
      _exit(0);
  }
}
