/*
 * One launch without a shim, for gantry-runtime: the process gets our standard streams, and whoever called the runtime becomes its parent
 * when we end (conmon, containerd's shim).
 *
 *   gantry-shim launch NAME=VALUE... -- PROGRAM ARGUMENT...
 *
 * PROGRAM is executed, with the failed step, the error number and a text as further arguments, when the launch fails. Names:
 *   directory   where start.sock is made; without it the process is not told to wait
 *   plan        a file with the launch plan
 *   pid         a file that gets the process's id and its start time (clock ticks)
 *   pid-file    a file that gets the process's id
 *   init        the process whose namespaces the plan's "-of" steps enter
 *   console     a socket that gets the terminal's master
 *   ready       a descriptor that gets a byte when the process is there
 *   terminal, rows, columns, preserve (descriptors from 3 on), foreground
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foreground.h"
#include "kernel.h"
#include "shim.h"

#define PLAN_BYTES (16u << 20)

unsigned launcher_preserved;
int launcher_start_socket = -1;

static struct {
  const char *directory, *plan, *pid, *pid_file, *console;
  int init, ready;
  bool terminal, foreground;
  unsigned rows, columns;
  char **on_failure;
  int on_failure_count;
} options = {.ready = -1};

static struct watch signals = {.fd = -1};
static int master = -1;
static uint32_t failed_step = NO_STEP;
static struct failure why;

void launcher_failed(uint32_t step) {
  failed_step = step;
  why = failure;
}

/* ---- what we are told */

static const char *value_of(const char *argument, const char *name) {
  size_t length = strlen(name);
  return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

static void read_option(const char *argument) {
  static const struct {
    const char *name;
    const char **text;
  } texts[] = {{"directory", &options.directory}, {"plan", &options.plan}, {"pid", &options.pid},
               {"pid-file", &options.pid_file}, {"console", &options.console}};
  const char *value;
  for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
    if ((value = value_of(argument, texts[index].name)) != NULL)
      *texts[index].text = value;
  if ((value = value_of(argument, "init")) != NULL)
    options.init = atoi(value);
  if ((value = value_of(argument, "ready")) != NULL)
    options.ready = atoi(value);
  if ((value = value_of(argument, "preserve")) != NULL)
    launcher_preserved = (unsigned)atoi(value);
  if ((value = value_of(argument, "rows")) != NULL)
    options.rows = (unsigned)atoi(value);
  if ((value = value_of(argument, "columns")) != NULL)
    options.columns = (unsigned)atoi(value);
  options.terminal = options.terminal || value_of(argument, "terminal") != NULL;
  options.foreground = options.foreground || value_of(argument, "foreground") != NULL;
}

static int read_options(int argc, char **argv) {
  int at = 2;
  for (; at < argc && strcmp(argv[at], "--") != 0; at++)
    read_option(argv[at]);
  if (at == argc || options.plan == NULL)
    return -1;
  options.on_failure = argv + at + 1;
  options.on_failure_count = argc - at - 1;
  return options.on_failure_count > 0 ? 0 : -1;
}

/* ---- our own protection (CVE-2019-5736): see check_program in main.c */

static int execute_read_only(char **argv) {
  struct statvfs status;
  struct mount_attributes attributes = {.set = ATTRIBUTE_READ_ONLY | ATTRIBUTE_NO_SUID | ATTRIBUTE_NO_DEVICES};
  if (statvfs("/proc/self/exe", &status) == 0 && (status.f_flag & ST_RDONLY) != 0)
    return 0;
  int tree = (int)syscall(CALL_OPEN_TREE, AT_FDCWD, "/proc/self/exe", TREE_COPY | TREE_CLOEXEC);
  if (tree < 0 || syscall(CALL_MOUNT_SETATTR, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
    return fail("protect the launcher's program");
  syscall(SYS_execveat, tree, "", argv, environ, AT_EMPTY_PATH);
  return fail("execute the launcher from a read-only mount");
}

/* ---- files */

static int read_plan(struct bytes *plan) {
  struct stat status;
  int fd = open(options.plan, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) < 0)
    return fail("open %s", options.plan);
  if (status.st_size > PLAN_BYTES)
    return fail_with(E2BIG, "a launch plan has at most %u bytes", PLAN_BYTES);
  uint8_t *data = malloc((size_t)status.st_size + 1);
  if (data == NULL)
    return fail_with(ENOMEM, "no memory for a plan");
  ssize_t length = read(fd, data, (size_t)status.st_size);
  close(fd);
  if (length != status.st_size)
    return fail("read %s", options.plan);
  unlink(options.plan);
  plan->data = data;
  plan->length = (uint32_t)length;
  return 0;
}

/* Whole or not at all: others wait for these files to appear. */
static int write_whole(const char *path, const char *text) {
  char temporary[4096];
  if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp", path) >= sizeof temporary)
    return fail_with(ENAMETOOLONG, "write %s", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0)
    return fail("write %s", path);
  ssize_t written = write(fd, text, strlen(text));
  close(fd);
  if (written != (ssize_t)strlen(text) || rename(temporary, path) < 0)
    return fail("write %s", path);
  return 0;
}

static int write_pid(const struct process *process) {
  char text[64];
  snprintf(text, sizeof text, "%d %llu\n", process->pid, (unsigned long long)process->start_ticks);
  if (options.pid != NULL && write_whole(options.pid, text) < 0)
    return -1;
  snprintf(text, sizeof text, "%d", process->pid);
  return options.pid_file != NULL ? write_whole(options.pid_file, text) : 0;
}

/* Not for the process, which takes what lies below. */
static int hide_ready(void) {
  if (options.ready < 0)
    return 0;
  int hidden = fcntl(options.ready, F_DUPFD_CLOEXEC, 3 + (int)launcher_preserved + 1);
  if (hidden < 0)
    return fail("move the descriptor to tell on");
  close(options.ready);
  options.ready = hidden;
  return 0;
}

static void tell_ready(void) {
  if (options.ready >= 0 && write(options.ready, "\n", 1) < 0)
    errno = 0;
  if (options.ready >= 0)
    close(options.ready);
}

/* ---- sockets */

/* By its short name: the whole path may be longer than a socket's can be. */
static int listen_for_start(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "start.sock"};
  int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (before < 0 || fd < 0 || chdir(options.directory) < 0)
    return fail("make %s/start.sock", options.directory);
  mode_t mask = umask(0177);
  int result = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0
                   ? fail("make %s/start.sock", options.directory)
                   : 0;
  umask(mask);
  if (fchdir(before) < 0)
    result = fail("chdir");
  close(before);
  launcher_start_socket = fd;
  return result;
}

static int connect_console(int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", options.console) >= sizeof address.sun_path)
    return fail_with(ENAMETOOLONG, "console socket %s", options.console);
  return connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? fail("connect to the console socket %s", options.console) : 0;
}

/* With a name, as runc sends it: some receivers want a byte. */
static int send_master(int fd) {
  char name[] = "/dev/ptmx";
  struct iovec part = {.iov_base = name, .iov_len = sizeof name - 1};
  union {
    struct cmsghdr align;
    char data[CMSG_SPACE(sizeof(int))];
  } control = {.data = {0}};
  struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof master);
  memcpy(CMSG_DATA(rights), &master, sizeof master);
  return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? fail("send the terminal to the console socket") : 0;
}

void launcher_terminal(int fd) {
  struct winsize size = {.ws_row = (unsigned short)options.rows, .ws_col = (unsigned short)options.columns};
  master = fd;
  if (options.rows > 0 || options.columns > 0)
    ioctl(master, TIOCSWINSZ, &size);
}

static int give_terminal(void) {
  if (!options.terminal || options.console == NULL)
    return 0;
  if (master < 0)
    return fail_with(EINVAL, "the process has no terminal");
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return fail("socket");
  int result = connect_console(fd) < 0 ? -1 : send_master(fd);
  close(fd);
  return result;
}

/* ---- the launch */

static void signals_ready(struct watch *watch, uint32_t events) {
  struct signalfd_siginfo info;
  int status;
  (void)events;
  while (read(watch->fd, &info, sizeof info) == sizeof info)
    continue;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;)
    process_ended(pid, status);
}

static int watch_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_SETMASK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? fail("signalfd") : loop_add(&signals, fd, EPOLLIN, signals_ready);
}

/* The process that runs already, for steps that name it. */
static int know_init(void) {
  struct process *init = process_new("init");
  if (init == NULL)
    return -1;
  init->pid = options.init;
  init->state = PROCESS_RUNNING;
  init->pidfd = (int)syscall(CALL_PIDFD_OPEN, init->pid, 0);
  return init->pidfd < 0 ? fail("open process %d", init->pid) : 0;
}

static int launch(struct process **launched) {
  struct bytes plan;
  if (loop_open() < 0 || watch_signals() < 0 || read_plan(&plan) < 0)
    return -1;
  if ((options.init != 0 && know_init() < 0) || (options.directory != NULL && listen_for_start() < 0))
    return -1;
  struct process *process = process_new(options.init != 0 ? "exec" : "init");
  if (process == NULL)
    return -1;
  *launched = process;
  process->inherits = true;
  process->terminal = options.terminal;
  enum process_state wanted = options.directory != NULL ? PROCESS_PAUSED : PROCESS_RUNNING;
  if (launch_start(process, plan, &failed_step) < 0) {
    why = failure;
    return -1;
  }
  while (!process->failed && process->state != wanted && process->state != PROCESS_EXITED)
    loop_run_once(0);
  if (process->failed) {
    failure = why;
    return -1;
  }
  return 0;
}

static _Noreturn void report_failure(const struct process *process) {
  char step[16], number[16];
  char **arguments = calloc((size_t)options.on_failure_count + 4, sizeof *arguments);
  if (process != NULL && process->pid > 0 && process->pidfd >= 0)
    syscall(CALL_PIDFD_SEND_SIGNAL, process->pidfd, SIGKILL, NULL, 0);
  snprintf(step, sizeof step, "%d", (int)failed_step);
  snprintf(number, sizeof number, "%d", failure.error);
  if (arguments != NULL) {
    memcpy(arguments, options.on_failure, (size_t)options.on_failure_count * sizeof *arguments);
    arguments[options.on_failure_count] = step;
    arguments[options.on_failure_count + 1] = number;
    arguments[options.on_failure_count + 2] = failure.text;
    execve(arguments[0], arguments, environ);
  }
  fprintf(stderr, "%s: %s\n", failure.text, strerror(failure.error));
  _exit(1);
}

int launcher_main(int argc, char **argv) {
  struct process *process = NULL;
  if (read_options(argc, argv) < 0) {
    fputs("usage: gantry-shim launch NAME=VALUE... -- PROGRAM ARGUMENT... (executed by gantry-runtime)\n", stderr);
    return 2;
  }
  if (execute_read_only(argv) < 0)
    report_failure(NULL);
  prctl(PR_SET_NAME, "gantry-launch");
  if (prctl(PR_SET_DUMPABLE, 0) < 0 && fail("prctl") < 0)
    report_failure(NULL);
  if (hide_ready() < 0 || launch(&process) < 0 || give_terminal() < 0 || write_pid(process) < 0)
    report_failure(process);
  tell_ready();
  return options.foreground ? stay_in_foreground(process, options.console == NULL ? master : -1) : 0;
}
