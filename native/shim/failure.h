/* What went wrong: an error number and a text, recorded once, told to the daemon. */
#ifndef GANTRY_FAILURE_H
#define GANTRY_FAILURE_H
#include <stdint.h>

struct failure {
  int32_t error;
  char text[512];
};

/* The failure of the step or request in work; each process has its own. */
extern struct failure failure;

/* Records errno and a text; returns -1. */
__attribute__((format(printf, 1, 2))) int fail(const char *format, ...);

/* Records a given error number and a text; returns -1. */
__attribute__((format(printf, 2, 3))) int fail_with(int error, const char *format, ...);

#endif
