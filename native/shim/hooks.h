/* Hooks of a container: programs that are executed on its way. */
#ifndef GANTRY_HOOKS_H
#define GANTRY_HOOKS_H
#include <sys/types.h>

#include "plan.h"

struct hook {
  const char *name; /* prestart, createRuntime, ... */
  const char *path;
  struct strings arguments, environment;
  uint32_t timeout; /* seconds; 0: none */
  const char *before, *after; /* of its input, around the container's process id */
};

/* Executes a hook in the namespaces that we are in, and waits for its end; -1 with the failure recorded. */
int hook_run(const struct hook *hook, pid_t pid);

#endif
