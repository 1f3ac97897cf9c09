/* In the foreground: signals go to the process, our terminal is its terminal, its end is ours. */
#define _GNU_SOURCE
#include "foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "kernel.h"

static struct termios before;
static bool raw;

static void make_raw(void) {
  struct termios wanted;
  if (tcgetattr(STDIN_FILENO, &before) < 0)
    return;
  wanted = before;
  cfmakeraw(&wanted);
  raw = tcsetattr(STDIN_FILENO, TCSANOW, &wanted) == 0;
}

static void copy_size(int master) {
  struct winsize size;
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
    ioctl(master, TIOCSWINSZ, &size);
}

static int all_signals(void) {
  sigset_t set;
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void pass_signals(int fd, const struct process *process, int master) {
  struct signalfd_siginfo info;
  while (read(fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD || info.ssi_signo == SIGPIPE || info.ssi_signo == SIGURG)
      continue;
    if (info.ssi_signo == SIGWINCH && master >= 0)
      copy_size(master);
    else
      syscall(CALL_PIDFD_SEND_SIGNAL, process->pidfd, info.ssi_signo, NULL, 0);
  }
}

/* False at the end of what is there to read. */
static bool pass(int from, int to) {
  char chunk[8192];
  ssize_t length = read(from, chunk, sizeof chunk);
  if (length <= 0)
    return length < 0 && (errno == EINTR || errno == EAGAIN);
  for (ssize_t done = 0; done < length;) {
    ssize_t written = write(to, chunk + done, (size_t)(length - done));
    if (written < 0 && errno == EAGAIN)
      poll(&(struct pollfd){.fd = to, .events = POLLOUT}, 1, -1);
    else if (written < 0 && errno != EINTR)
      return false;
    else if (written > 0)
      done += written;
  }
  return true;
}

static int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Until it has ended and, with a terminal, all that it wrote is through. */
int stay_in_foreground(const struct process *process, int master) {
  int status = 0, fd = all_signals();
  bool before_us = process->state == PROCESS_EXITED, ended = before_us, input = master >= 0, output = master >= 0;
  if (master >= 0) {
    make_raw();
    copy_size(master);
  }
  while (!ended || output) {
    struct pollfd polled[4] = {{.fd = fd, .events = POLLIN},
                               {.fd = ended ? -1 : process->pidfd, .events = POLLIN},
                               {.fd = input ? STDIN_FILENO : -1, .events = POLLIN},
                               {.fd = output ? master : -1, .events = POLLIN}};
    if (poll(polled, 4, ended ? 0 : -1) == 0)
      break;
    if (polled[0].revents != 0)
      pass_signals(fd, process, master);
    if (polled[2].revents != 0)
      input = pass(STDIN_FILENO, master);
    if (polled[3].revents != 0)
      output = pass(master, STDOUT_FILENO);
    /* After its output. */
    if (polled[1].revents != 0)
      ended = waitpid(process->pid, &status, __WALL) == process->pid;
  }
  if (raw)
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
  return before_us ? process->exit_code : exit_code(status);
}
