#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"

#define EVENTS_AT_ONCE 32

static int epoll_fd = -1;
static struct epoll_event batch[EVENTS_AT_ONCE];
static int batch_length;

int loop_open(void) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd < 0 ? fail("epoll_create1") : 0;
}

int loop_add(struct watch *watch, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t)) {
  watch->fd = fd;
  watch->events = events;
  watch->ready = ready;
  struct epoll_event event = {.events = events, .data.ptr = watch};
  if (events != 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
    return fail("epoll_ctl");
  return 0;
}

void loop_change(struct watch *watch, uint32_t events) {
  if (watch->fd < 0 || watch->events == events)
    return;
  int operation = watch->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  watch->events = events;
  struct epoll_event event = {.events = events, .data.ptr = watch};
  epoll_ctl(epoll_fd, operation, watch->fd, &event);
}

void loop_close(struct watch *watch) {
  if (watch->fd < 0)
    return;
  if (watch->events != 0)
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
  close(watch->fd);
  watch->fd = -1;
  /* What this round still has for it must not run: its owner may be freed. */
  for (int index = 0; index < batch_length; index++)
    if (batch[index].data.ptr == watch)
      batch[index].data.ptr = NULL;
}

void loop_run_once(uint64_t deadline) {
  int timeout = -1;
  if (deadline != 0) {
    uint64_t now = loop_now();
    timeout = deadline <= now ? 0 : (int)(deadline - now);
  }
  batch_length = epoll_wait(epoll_fd, batch, EVENTS_AT_ONCE, timeout);
  if (batch_length < 0)
    batch_length = 0;
  for (int index = 0; index < batch_length; index++) {
    struct watch *watch = batch[index].data.ptr;
    if (watch != NULL)
      watch->ready(watch, batch[index].events);
  }
  batch_length = 0;
}

uint64_t loop_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void loop_forget(void) {
  epoll_fd = -1;
  batch_length = 0;
}
