/* Being there for a process for as long as it runs: `gantry-runtime run` and `exec`. */
#ifndef GANTRY_FOREGROUND_H
#define GANTRY_FOREGROUND_H
#include "shim.h"

/* Passes signals on, and what goes through a terminal when `master` is one; returns the process's exit code. */
int stay_in_foreground(const struct process *process, int master);

#endif
