/* The processes of this shim: found by id, told of when they end, forgotten when that is acknowledged. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

struct process *processes;
static unsigned process_count;
static bool forgotten;

struct process *process_find(const char *id) {
  for (struct process *each = processes; each != NULL; each = each->next)
    if (strcmp(each->id, id) == 0 && !each->failed)
      return each;
  return NULL;
}

/* Ids become file names. */
static bool valid_id(const char *id) {
  size_t length = strlen(id);
  if (length == 0 || length >= ID_BYTES - 8 || !isalnum((unsigned char)id[0]))
    return false;
  for (const char *at = id; *at != 0; at++)
    if (!isalnum((unsigned char)*at) && strchr("-_.", *at) == NULL)
      return false;
  return true;
}

struct process *process_new(const char *id) {
  struct process *process = NULL;
  if (!valid_id(id))
    fail_with(EINVAL, "invalid process id");
  else if (process_find(id) != NULL)
    fail_with(EEXIST, "process %s exists", id);
  else if (process_count >= MOST_PROCESSES)
    fail_with(EAGAIN, "this container has %u processes of its own already", MOST_PROCESSES);
  else if ((process = calloc(1, sizeof *process)) == NULL)
    fail_with(ENOMEM, "no memory for a process");
  if (process == NULL)
    return NULL;
  snprintf(process->id, sizeof process->id, "%s", id);
  process->pidfd = process->sync.fd = process->input.fd = -1;
  process->outputs[0].watch.fd = process->outputs[1].watch.fd = -1;
  process->next = processes;
  processes = process;
  process_count++;
  return process;
}

static void process_free(struct process *process) {
  for (struct process **link = &processes; *link != NULL; link = &(*link)->next)
    if (*link == process) {
      *link = process->next;
      break;
    }
  process_count--;
  forgotten = forgotten || process->acknowledged;
  launch_forget(process);
  streams_free(process);
  if (process->pidfd >= 0)
    close(process->pidfd);
  free(process);
}

/* Field 22 of /proc/PID/stat; the name before it may hold anything, so the fields are counted from its end. */
void process_set_identity(struct process *process) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", process->pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0)
    close(fd);
  if (length <= 0)
    return;
  text[length] = 0;
  const char *at = strrchr(text, ')');
  for (int field = 2; at != NULL && field < 22; field++)
    at = strchr(at + 1, ' ');
  if (at != NULL)
    sscanf(at, " %" SCNu64, &process->start_ticks);
}

void process_reached(struct process *process, enum process_state state) {
  process->state = state;
  if (process->waiting != NULL)
    connection_reply_process(process->waiting, process->waiting_request, process);
  process->waiting = NULL;
}

void process_launch_failed(struct process *process, uint32_t step) {
  if (process->failed)
    return;
  process->failed = true;
  if (process->inherits)
    launcher_failed(step);
  if (process->waiting != NULL)
    connection_reply_failure(process->waiting, process->waiting_request, step);
  process->waiting = NULL;
}

static void exit_file_name(const struct process *process, char *name, size_t size, const char *suffix) {
  snprintf(name, size, "%s.exit%s", process->id, suffix);
}

/*
 * With the kernel, whole or not at all, before anyone hears of it: it outlasts the daemon and us. What a machine that fails may take with
 * it is the exit of a container that nobody has been told of, and whose machine is gone as well.
 */
static void record_exit(const struct process *process) {
  char name[ID_BYTES + 16], temporary[ID_BYTES + 16], text[256];
  exit_file_name(process, name, sizeof name, "");
  exit_file_name(process, temporary, sizeof temporary, ".tmp");
  int length = snprintf(text, sizeof text, "{\"pid\":%d,\"startTicks\":%" PRIu64 ",\"code\":%d,\"signal\":%d,\"oomKilled\":%s,\"at\":%" PRId64 "}\n",
                        process->pid, process->start_ticks, process->exit_code, process->exit_signal,
                        process->oom_killed ? "true" : "false", process->exit_at_ms);
  int fd = openat(shim_directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  if (write(fd, text, (size_t)length) == length)
    renameat(shim_directory, temporary, shim_directory, name);
  close(fd);
}

static void set_exit(struct process *process, int status) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  process->exit_at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  process->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  process->exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  process->oom_killed = oom_kills() > process->oom_kills_before;
  process->grace_until = loop_now() + STREAM_GRACE_MS;
}

void process_ended(pid_t pid, int status) {
  struct process *process = processes;
  while (process != NULL && (process->pid != pid || process->state == PROCESS_EXITED))
    process = process->next;
  if (process == NULL)
    return;
  launch_drain(process);
  launch_forget(process);
  if (!process->launched && process->state != PROCESS_PAUSED) {
    fail_with(ECANCELED, "the process ended (%s %d) before it was executed", WIFSIGNALED(status) ? "signal" : "code",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    process_launch_failed(process, NO_STEP);
  }
  process->state = PROCESS_EXITED;
  if (process->failed)
    return;
  set_exit(process, status);
  if (!process->acknowledged && !process->inherits)
    record_exit(process);
}

void process_acknowledge(struct process *process) {
  char name[ID_BYTES + 16];
  exit_file_name(process, name, sizeof name, "");
  unlinkat(shim_directory, name, 0);
  process->acknowledged = true;
  for (struct process *each = processes; each != NULL; each = each->next)
    if (!each->acknowledged || each->state != PROCESS_EXITED)
      return;
  /* Nobody needs to find us any more: whoever acknowledged may remove the directory at once. */
  unlinkat(shim_directory, "shim.sock", 0);
}

/* True when it may be freed. Output that an attached connection cannot take yet is waited for. */
static bool settle(struct process *process, uint64_t now) {
  if (process->failed)
    return process->pid == 0 || process->state == PROCESS_EXITED;
  if (process->state != PROCESS_EXITED)
    return false;
  bool waited = now >= process->grace_until;
  if (!process->told && !process->acknowledged && (streams_ended(process) || waited)) {
    process->told = true;
    connection_tell_exit(process);
  }
  if (process->acknowledged && !attach_any(process))
    return true;
  if (waited && attach_any(process) && !streams_blocked(process))
    streams_close(process);
  return false;
}

uint64_t process_settle_all(void) {
  uint64_t now = loop_now(), deadline = 0;
  for (struct process *each = processes, *next; each != NULL; each = next) {
    next = each->next;
    if (settle(each, now)) {
      process_free(each);
      continue;
    }
    bool waiting = each->state == PROCESS_EXITED && !streams_ended(each) && each->grace_until > now;
    if (waiting && (deadline == 0 || each->grace_until < deadline))
      deadline = each->grace_until;
  }
  return deadline;
}

bool process_any_left(void) {
  return processes != NULL;
}

bool process_any_running(void) {
  for (struct process *each = processes; each != NULL; each = each->next)
    if (each->state != PROCESS_EXITED)
      return true;
  return false;
}

bool process_any_forgotten(void) {
  return forgotten;
}
