/*
 * The shim: one per container. It makes the container's processes from launch plans, is their parent, owns their streams and
 * their log, keeps their exits until the daemon has them, and outlives the daemon.
 *
 *   gantry-shim DIRECTORY DESCRIPTOR          the daemon's first connection, inherited
 *   gantry-shim nursery DESCRIPTOR FILLER     shims are forked from it (nursery.c); the filler is room for their titles
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "shim.h"

#define FIRST_CONNECTION 3

int shim_directory = -1;
static struct watch signals = {.fd = -1};

/* The arguments' own memory, which listings of processes show. */
static char *title;
static size_t title_bytes;

void set_title(const char *text) {
  size_t length = strlen(text);
  memset(title, 0, title_bytes);
  memcpy(title, text, length < title_bytes ? length : title_bytes - 1);
}

/* As if it had been executed for its directory alone. */
static void name_after(const char *directory) {
  char text[PATH_MAX + 16];
  snprintf(text, sizeof text, "gantry-shim %s", directory);
  set_title(text);
}

/*
 * Without its socket nobody can find the shim again, and nobody wants what it would keep. Told by dnotify (fcntl F_NOTIFY):
 * inotify has 128 instances a user, too few for one per container.
 */
static bool abandoned;

static void check_directory(void) {
  abandoned = faccessat(shim_directory, "shim.sock", F_OK, 0) < 0 && errno == ENOENT;
}

/* A kernel without it tells nothing: the shim then looks when a process of its own ends. */
static void watch_directory(void) {
  if (fcntl(shim_directory, F_NOTIFY, DN_DELETE | DN_RENAME | DN_MULTISHOT) < 0)
    errno = 0;
}

static void signals_ready(struct watch *watch, uint32_t events) {
  struct signalfd_siginfo info;
  int status;
  (void)events;
  while (read(watch->fd, &info, sizeof info) == sizeof info)
    continue;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;)
    process_ended(pid, status);
  check_directory();
}

/* Ends with its work done, or by SIGKILL: what a terminal or a service manager sends to the daemon's group is not for it. */
static int set_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGIO);
  sigprocmask(SIG_SETMASK, &set, NULL);
  for (int number = 1; number < 32; number++)
    if (number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGPIPE)
      signal(number, SIG_IGN);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0)
    return fail("signalfd");
  return loop_add(&signals, fd, EPOLLIN, signals_ready);
}

/*
 * Containers can reach our program through /proc/self/exe of a process that is about to execute, or by executing
 * #!/proc/self/exe (CVE-2019-5736). The daemon starts us from a read-only mount of our file alone; anything else is refused.
 */
static int check_program(void) {
  struct statvfs status;
  if (statvfs("/proc/self/exe", &status) < 0)
    return fail("statvfs /proc/self/exe");
  if ((status.f_flag & ST_RDONLY) == 0)
    return fail_with(EPERM, "the shim must be executed from a read-only mount");
  return 0;
}

static void write_own(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  /* A daemon without the right to lower it (in a container of its own) lives with the score it has. */
  if (fd >= 0 && write(fd, text, strlen(text)) < 0)
    errno = 0;
  if (fd >= 0)
    close(fd);
}

/* Standard streams on the null device, the connection at 3, nothing else. */
static int settle_descriptors(int connection) {
  int null = open("/dev/null", O_RDWR);
  if (null < 0)
    return fail("open /dev/null");
  int moved = fcntl(connection, F_DUPFD_CLOEXEC, FIRST_CONNECTION);
  for (int stream = 0; stream < 3; stream++)
    dup2(null, stream);
  if (moved < 0 || dup3(moved, FIRST_CONNECTION, O_CLOEXEC) < 0)
    if (moved != FIRST_CONNECTION)
      return fail("move the connection");
  syscall(CALL_CLOSE_RANGE, FIRST_CONNECTION + 1, ~0u, 0);
  return 0;
}

static int start(const char *directory) {
  prctl(PR_SET_NAME, "gantry-shim");
  if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
    return fail("prctl");
  setsid();
  umask(077);
  write_own("/proc/self/oom_score_adj", "-998");
  shim_directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (shim_directory < 0)
    return fail("open %s", directory);
  if (loop_open() < 0 || set_signals() < 0 || connection_listen(shim_directory) < 0)
    return -1;
  watch_directory();
  return connection_add(FIRST_CONNECTION);
}

/* Done when everything it started has ended and been acknowledged, or when nobody is there to start or to acknowledge anything. */
static bool done(void) {
  if (abandoned && !process_any_running() && !connection_any())
    return true;
  return !process_any_left() && (process_any_forgotten() || !connection_any());
}

static uint64_t sooner(uint64_t one, uint64_t other) {
  return one == 0 || (other != 0 && other < one) ? other : one;
}

/* What one settles may let the other settle more, once. */
static uint64_t settle(void) {
  attach_settle_all();
  process_settle_all();
  uint64_t attached = attach_settle_all();
  return sooner(attached, process_settle_all());
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "launch") == 0)
    return launcher_main(argc, argv);
  title = argv[0];
  title_bytes = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]) + 1;
  bool from_nursery = argc == 4 && strcmp(argv[1], "nursery") == 0;
  if (argc != 3 && !from_nursery) {
    fputs("usage: gantry-shim DIRECTORY DESCRIPTOR (started by gantry)\n", stderr);
    return 2;
  }
  char born_for[PATH_MAX];
  const char *directory = argv[1];
  int connection = atoi(argv[2]);
  if (check_program() < 0) {
    connection_send_start_failure(connection);
    return 1;
  }
  if (from_nursery) {
    settle_descriptors(connection);
    if (!nursery(FIRST_CONNECTION, born_for, &connection))
      return 0;
    directory = born_for;
    name_after(directory);
  }
  if (settle_descriptors(connection) < 0 || start(directory) < 0) {
    connection_send_start_failure(FIRST_CONNECTION);
    return 1;
  }
  for (;;) {
    uint64_t deadline = settle();
    if (done())
      break;
    loop_run_once(deadline);
  }
  unlinkat(shim_directory, "shim.sock", 0);
  return 0;
}
