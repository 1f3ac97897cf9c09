/* The event loop: descriptors with functions that run when they are ready, and deadlines. */
#ifndef GANTRY_LOOP_H
#define GANTRY_LOOP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch {
  int fd;          /* -1: closed */
  uint32_t events; /* what epoll is asked for; 0: nothing at all; EPOLLHUP: only that the other end has gone */
  void (*ready)(struct watch *watch, uint32_t events);
};

/* The structure that a watch is a member of. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

int loop_open(void);
int loop_add(struct watch *watch, int fd, uint32_t events, void (*ready)(struct watch *watch, uint32_t events));
void loop_change(struct watch *watch, uint32_t events);
/* Stops watching and closes the descriptor. */
void loop_close(struct watch *watch);
/* Waits at most until `deadline` (loop_now terms; 0: for ever) and runs what is ready. */
void loop_run_once(uint64_t deadline);
/* Milliseconds of the monotonic clock. */
uint64_t loop_now(void);
/* In a forked child: forgets the loop. */
void loop_forget(void);

#endif
