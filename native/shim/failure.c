#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct failure failure;

static void record(int error, const char *format, va_list arguments) {
  failure.error = error;
  vsnprintf(failure.text, sizeof failure.text, format, arguments);
}

int fail(const char *format, ...) {
  int error = errno;
  va_list arguments;
  va_start(arguments, format);
  record(error, format, arguments);
  va_end(arguments);
  return -1;
}

int fail_with(int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record(error, format, arguments);
  va_end(arguments);
  return -1;
}
