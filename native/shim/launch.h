/* A launch: the shim and the process it has made take the steps of one plan, talking over a socket pair. */
#ifndef GANTRY_LAUNCH_H
#define GANTRY_LAUNCH_H
#include "shim.h"

#define MOST_STEPS 65536

struct step_list {
  size_t count;
  struct step steps[];
};

/* What the process tells the shim. */
enum message_kind {
  MESSAGE_SHIM_STEP = 1, /* take this step for me, and those of yours that follow it; answered with how many */
  MESSAGE_NOTIFY,        /* text: the tag */
  MESSAGE_PAUSE,         /* answered when the daemon says so */
  MESSAGE_TERMINAL,      /* with the pty's master */
  MESSAGE_LAUNCHED,      /* about to execute: the last one, unless that fails */
  MESSAGE_FAILED,        /* a step failed */
  MESSAGE_PID,           /* answered with its process id */
  MESSAGE_REBORN         /* text: its new process id, with the pidfd; answered when the shim follows that one */
};

struct message {
  uint32_t kind;
  uint32_t step;
  struct failure failure;
};

/* The shim's answer: how many steps it has taken, -1 to end without another word. */
typedef int32_t answer_t;

struct shim_context {
  struct process *process;
  struct step_list *list;
  size_t index;
  int pid_namespace; /* the child is born in it; -1: the shim's own */
  int child_ends[3];
  bool cloned;
};

/* The process's side, from the step after clone. Never returns. */
_Noreturn void child_run(struct process *process, struct step_list *list, size_t index, int sync, const int ends[3]);

#endif
