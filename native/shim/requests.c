/* What the daemon asks for. Each request returns 0 when it has answered or will, -1 with the failure recorded. */
#define _GNU_SOURCE
#include "requests.h"
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum spawn_flag { SPAWN_TERMINAL = 1, SPAWN_STDIN_OPEN = 2, SPAWN_STDIN_ONCE = 4, SPAWN_HOLD_OUTPUT = 8, SPAWN_LOG = 16, SPAWN_LOG_ATTRIBUTES = 32 };

static int read_process(struct reader *body, struct process **process) {
  const char *id;
  if (!read_string(body, &id))
    return fail_with(EINVAL, "the request cannot be read");
  *process = process_find(id);
  return *process == NULL ? fail_with(ESRCH, "no process %s", id) : 0;
}

static int read_spawn(struct reader *body, struct process **process, struct bytes *plan) {
  const char *id, *log_path, *attributes = NULL;
  uint32_t flags, size, files;
  uint64_t most_bytes;
  if (!read_string(body, &id) || !read_u32(body, &flags) || !read_u32(body, &size) || !read_string(body, &log_path) ||
      !read_u64(body, &most_bytes) || !read_u32(body, &files) ||
      ((flags & SPAWN_LOG_ATTRIBUTES) != 0 && !read_string(body, &attributes)) || !read_bytes(body, plan))
    return fail_with(EINVAL, "the request cannot be read");
  if ((*process = process_new(id)) == NULL)
    return -1;
  (*process)->terminal = (flags & SPAWN_TERMINAL) != 0;
  (*process)->rows = (uint16_t)(size >> 16);
  (*process)->columns = (uint16_t)size;
  (*process)->stdin_open = (flags & SPAWN_STDIN_OPEN) != 0;
  (*process)->stdin_once = (flags & SPAWN_STDIN_ONCE) != 0;
  (*process)->hold_output = (flags & SPAWN_HOLD_OUTPUT) != 0;
  if ((flags & SPAWN_LOG) != 0 && ((*process)->log = log_open(log_path, most_bytes, files, attributes)) == NULL)
    return -1;
  return 0;
}

static void request_spawn(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process = NULL;
  struct bytes plan;
  uint32_t step = NO_STEP;
  if (read_spawn(body, &process, &plan) < 0 || launch_start(process, plan, &step) < 0) {
    connection_reply_failure(connection, request, step);
    if (process != NULL)
      process->failed = true;
    return;
  }
  process->waiting = connection;
  process->waiting_request = request;
}

static int request_resume(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process;
  if (read_process(body, &process) < 0)
    return -1;
  if (process->state != PROCESS_PAUSED)
    return fail_with(EINVAL, "process %s is not waiting", process->id);
  process->state = PROCESS_RESUMED;
  process->waiting = connection;
  process->waiting_request = request;
  launch_resume(process);
  return 0;
}

static int request_list(struct connection *connection, uint32_t request) {
  size_t length = 0, room = 0;
  uint8_t *all = NULL;
  for (struct process *each = processes; each != NULL; each = each->next) {
    if (each->failed)
      continue;
    struct writer writer = {.length = 0};
    write_process(&writer, each);
    if (!grow(&all, &room, length + writer.length, REPLY_BYTES / 2)) {
      free(all);
      return fail_with(ENOMEM, "too many processes to list");
    }
    memcpy(all + length, writer.data, writer.length);
    length += writer.length;
  }
  connection_reply(connection, request, all, length);
  free(all);
  return 0;
}

static int request_signal(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process;
  uint32_t number;
  if (read_process(body, &process) < 0)
    return -1;
  if (!read_u32(body, &number))
    return fail_with(EINVAL, "the request cannot be read");
  uint8_t alive = 0;
  if (process->state != PROCESS_EXITED) {
    if (syscall(CALL_PIDFD_SEND_SIGNAL, process->pidfd, (int)number, NULL, 0) == 0)
      alive = 1;
    else if (errno != ESRCH)
      return fail("signal %u to process %s", number, process->id);
  }
  connection_reply(connection, request, &alive, 1);
  return 0;
}

static int request_resize(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process;
  uint32_t rows, columns;
  if (read_process(body, &process) < 0)
    return -1;
  if (!read_u32(body, &rows) || !read_u32(body, &columns) || rows > UINT16_MAX || columns > UINT16_MAX)
    return fail_with(EINVAL, "a window has at most 65535 rows and columns");
  if (streams_set_size(process, (uint16_t)rows, (uint16_t)columns) < 0)
    return -1;
  connection_reply(connection, request, NULL, 0);
  return 0;
}

/* From here on the connection carries the streams: the answer is the last frame. */
static int request_attach(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process;
  uint32_t streams;
  if (read_process(body, &process) < 0)
    return -1;
  if (!read_u32(body, &streams))
    return fail_with(EINVAL, "the request cannot be read");
  uint64_t position[2];
  if (process->log != NULL)
    log_position(process->log, position);
  connection_reply(connection, request, position, process->log == NULL ? 0 : sizeof position);
  return attach_start(connection, process, streams);
}

static int request_reopen_log(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process;
  if (read_process(body, &process) < 0 || (process->log != NULL && log_reopen(process->log) < 0))
    return -1;
  connection_reply(connection, request, NULL, 0);
  return 0;
}

static int request_acknowledge(struct connection *connection, uint32_t request, struct reader *body) {
  struct process *process;
  if (read_process(body, &process) < 0)
    return -1;
  process_acknowledge(process);
  connection_reply(connection, request, NULL, 0);
  return 0;
}

bool handle_request(struct connection *connection, uint32_t request, uint16_t kind, struct reader *body) {
  int result;
  failure.error = 0;
  switch (kind) {
  case REQUEST_SPAWN:
    request_spawn(connection, request, body);
    return true;
  case REQUEST_RESUME:
    result = request_resume(connection, request, body);
    break;
  case REQUEST_LIST:
    result = request_list(connection, request);
    break;
  case REQUEST_SIGNAL:
    result = request_signal(connection, request, body);
    break;
  case REQUEST_RESIZE:
    result = request_resize(connection, request, body);
    break;
  case REQUEST_ATTACH:
    result = request_attach(connection, request, body);
    if (result == 0)
      return false;
    break;
  case REQUEST_REOPEN_LOG:
    result = request_reopen_log(connection, request, body);
    break;
  case REQUEST_ACKNOWLEDGE:
    result = request_acknowledge(connection, request, body);
    break;
  default:
    result = fail_with(ENOSYS, "request %u is not known to this shim", kind);
  }
  if (result < 0)
    connection_reply_failure(connection, request, NO_STEP);
  return true;
}
