/* Out-of-memory kills in the container's cgroup, as version 1 (an eventfd) and version 2 (a file to poll) tell of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shim.h"

static struct watch watch = {.fd = -1};
static int counter_fd = -1;
static uint64_t kills_told;

/* The value of the file's line "oom_kill N"; false when the cgroup is gone. */
static bool read_kills(uint64_t *kills) {
  char text[1024];
  ssize_t length = counter_fd < 0 ? -1 : pread(counter_fd, text, sizeof text - 1, 0);
  if (length < 0)
    return false;
  text[length] = 0;
  *kills = 0;
  for (char *line = text; line != NULL && *line != 0;) {
    if (sscanf(line, "oom_kill %" SCNu64, kills) == 1)
      break;
    line = strchr(line, '\n');
    if (line != NULL)
      line++;
  }
  return true;
}

uint64_t oom_kills(void) {
  uint64_t kills;
  return read_kills(&kills) ? kills : 0;
}

/* Version 1 tells of the shortage, before the kill, and once more when the cgroup is removed. */
static void ready_v1(struct watch *self, uint32_t events) {
  (void)events;
  uint64_t count, kills;
  if (read(self->fd, &count, sizeof count) != sizeof count)
    return;
  if (!read_kills(&kills)) {
    loop_close(self);
    return;
  }
  connection_tell_oom();
}

/* Polled again only after it has been read. */
static void ready_v2(struct watch *self, uint32_t events) {
  (void)events;
  uint64_t kills;
  if (!read_kills(&kills)) {
    loop_close(self);
    return;
  }
  if (kills > kills_told)
    connection_tell_oom();
  kills_told = kills;
}

static int watch_v1(const char *directory) {
  char path[4096], line[64];
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0)
    return fail("eventfd");
  snprintf(path, sizeof path, "%s/cgroup.event_control", directory);
  int control = open(path, O_WRONLY | O_CLOEXEC);
  int length = snprintf(line, sizeof line, "%d %d", event, counter_fd);
  if (control < 0 || write(control, line, (size_t)length) != length) {
    fail("write %s", path);
    if (control >= 0)
      close(control);
    close(event);
    return -1;
  }
  close(control);
  return loop_add(&watch, event, EPOLLIN, ready_v1);
}

int oom_watch(const char *directory, uint32_t version) {
  char path[4096];
  loop_close(&watch);
  if (counter_fd >= 0)
    close(counter_fd);
  snprintf(path, sizeof path, "%s/%s", directory, version == 1 ? "memory.oom_control" : "memory.events");
  counter_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (counter_fd < 0)
    return fail("open %s", path);
  kills_told = oom_kills();
  if (version == 1)
    return watch_v1(directory);
  int polled = fcntl(counter_fd, F_DUPFD_CLOEXEC, 3);
  return polled < 0 ? fail("watch %s", path) : loop_add(&watch, polled, EPOLLPRI, ready_v2);
}
