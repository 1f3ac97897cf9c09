/* A process's standard streams: pipes or a pty's master. What it writes goes to its log and to the connections attached to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shim.h"

static void output_ready(struct watch *watch, uint32_t events);
static void input_ready(struct watch *watch, uint32_t events);

static void close_all(int *fds, int count) {
  for (int index = 0; index < count; index++)
    if (fds[index] >= 0)
      close(fds[index]);
}

static int nonblocking(int fd) {
  return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* fds: the child's ends at 0..2, ours at 3..5. */
static int open_pipes(const struct process *process, int fds[6]) {
  int ends[2];
  if (process->stdin_open) {
    if (pipe2(ends, O_CLOEXEC) < 0)
      return fail("pipe2");
    fds[0] = ends[0];
    fds[3] = ends[1];
  } else if ((fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
    return fail("open /dev/null");
  }
  for (int number = STDOUT_STREAM; number <= STDERR_STREAM; number++) {
    if (pipe2(ends, O_CLOEXEC) < 0)
      return fail("pipe2");
    fds[number] = ends[1];
    fds[number + 3] = ends[0];
  }
  return 0;
}

/* A terminal is opened by the process itself, inside the container; until then it has no streams. */
int streams_open(struct process *process, int child_ends[3]) {
  int fds[6] = {-1, -1, -1, -1, -1, -1};
  for (int index = 0; index < 2; index++) {
    process->outputs[index].process = process;
    process->outputs[index].number = index == 0 ? STDOUT_STREAM : STDERR_STREAM;
    process->outputs[index].watch.fd = -1;
  }
  process->input.fd = -1;
  child_ends[0] = child_ends[1] = child_ends[2] = -1;
  if (process->terminal || process->inherits)
    return 0;
  if (open_pipes(process, fds) < 0) {
    close_all(fds, 6);
    return -1;
  }
  for (int index = 3; index < 6; index++)
    if (fds[index] >= 0)
      nonblocking(fds[index]);
  if ((fds[3] >= 0 && loop_add(&process->input, fds[3], 0, input_ready) < 0) ||
      loop_add(&process->outputs[0].watch, fds[4], 0, output_ready) < 0 ||
      loop_add(&process->outputs[1].watch, fds[5], 0, output_ready) < 0) {
    close_all(fds, 3);
    streams_close(process);
    return -1;
  }
  memcpy(child_ends, fds, 3 * sizeof *fds);
  streams_update(process);
  return 0;
}

void streams_terminal(struct process *process, int master) {
  int writing = fcntl(master, F_DUPFD_CLOEXEC, 3);
  nonblocking(master);
  if (writing < 0 || loop_add(&process->outputs[0].watch, master, 0, output_ready) < 0) {
    close(master);
    if (writing >= 0)
      close(writing);
    return;
  }
  loop_add(&process->input, writing, 0, input_ready);
  streams_set_size(process, process->rows, process->columns);
  streams_update(process);
}

int streams_set_size(struct process *process, uint16_t rows, uint16_t columns) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  process->rows = rows;
  process->columns = columns;
  if (!process->terminal)
    return fail_with(ENOTTY, "process %s has no terminal", process->id);
  if (process->input.fd >= 0 && ioctl(process->input.fd, TIOCSWINSZ, &size) < 0)
    return fail("set window size");
  return 0;
}

/* Output that someone wants before it may go is held in the pipe until the first one attaches. */
static bool may_read(const struct output *output) {
  const struct process *process = output->process;
  if (process->hold_output && !process->attached_once)
    return false;
  return attach_space(process, output->number) >= CHUNK_BYTES / 2;
}

void streams_update(struct process *process) {
  for (int index = 0; index < 2; index++) {
    struct output *output = &process->outputs[index];
    loop_change(&output->watch, may_read(output) ? EPOLLIN : 0);
  }
  loop_change(&process->input, process->input_length > 0 ? EPOLLOUT : 0);
}

static void output_end(struct output *output) {
  struct process *process = output->process;
  loop_close(&output->watch);
  if (process->log != NULL)
    log_end(process->log, output);
  free(output->line);
  output->line = NULL;
}

static void output_ready(struct watch *watch, uint32_t events) {
  static uint8_t chunk[CHUNK_BYTES];
  struct output *output = container_of(watch, struct output, watch);
  struct process *process = output->process;
  (void)events;
  if (!may_read(output)) {
    loop_change(watch, 0);
    return;
  }
  size_t space = attach_space(process, output->number);
  ssize_t length = read(watch->fd, chunk, space < sizeof chunk ? space : sizeof chunk);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length <= 0) {
    /* A pty's master says EIO when nobody has its other end open. */
    output_end(output);
    return;
  }
  if (process->log != NULL)
    log_output(process->log, output, chunk, (size_t)length);
  attach_output(process, output->number, chunk, (size_t)length);
  if (process->state == PROCESS_EXITED)
    process->grace_until = loop_now() + STREAM_GRACE_MS;
  streams_update(process);
}

size_t streams_input_space(const struct process *process) {
  return process->input.fd < 0 ? INPUT_BYTES : INPUT_BYTES - process->input_length;
}

static void input_write(struct process *process) {
  while (process->input_length > 0 && process->input.fd >= 0) {
    ssize_t written = write(process->input.fd, process->input_data, process->input_length);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0 && errno == EAGAIN)
      break;
    if (written <= 0) {
      loop_close(&process->input);
      process->input_length = 0;
      break;
    }
    process->input_length -= (size_t)written;
    memmove(process->input_data, process->input_data + written, process->input_length);
  }
  if (process->input_ending && process->input_length == 0)
    loop_close(&process->input);
}

static void input_ready(struct watch *watch, uint32_t events) {
  struct process *process = container_of(watch, struct process, input);
  (void)events;
  input_write(process);
  streams_update(process);
  attach_resume_input(process);
}

/* Takes at most streams_input_space bytes; what comes when nobody reads is thrown away. */
void streams_input(struct process *process, const uint8_t *data, size_t length) {
  if (process->input.fd < 0)
    return;
  if (process->input_data == NULL && (process->input_data = malloc(INPUT_BYTES)) == NULL)
    return;
  memcpy(process->input_data + process->input_length, data, length);
  process->input_length += length;
  input_write(process);
  streams_update(process);
}

/* Pipes only: a terminal stays open, as with Docker. */
void streams_end_input(struct process *process) {
  if (process->terminal || !process->stdin_once)
    return;
  process->input_ending = true;
  input_write(process);
}

bool streams_ended(const struct process *process) {
  return process->outputs[0].watch.fd < 0 && process->outputs[1].watch.fd < 0;
}

bool streams_blocked(const struct process *process) {
  for (int index = 0; index < 2; index++)
    if (process->outputs[index].watch.fd >= 0 && !may_read(&process->outputs[index]))
      return true;
  return false;
}

void streams_close(struct process *process) {
  for (int index = 0; index < 2; index++)
    if (process->outputs[index].watch.fd >= 0)
      output_end(&process->outputs[index]);
  loop_close(&process->input);
}

void streams_free(struct process *process) {
  streams_close(process);
  for (int index = 0; index < 2; index++)
    free(process->outputs[index].line);
  free(process->input_data);
  log_close(process->log);
}
