/* Reading encoded values: launch plans and requests. Little-endian; strings are length, bytes, NUL. */
#ifndef GANTRY_PLAN_H
#define GANTRY_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct reader {
  const uint8_t *at;
  const uint8_t *end;
};

struct bytes {
  uint32_t length;
  const uint8_t *data;
};

/* A list of strings as it lies in the plan; walk it with strings_next. */
struct strings {
  uint32_t count;
  struct reader rest;
};

struct numbers {
  uint32_t count;
  const uint8_t *data;
};

/* Each returns false, and leaves the value unset, when the bytes end too soon or are not as they must be. */
bool read_u16(struct reader *reader, uint16_t *value);
bool read_u32(struct reader *reader, uint32_t *value);
bool read_i32(struct reader *reader, int32_t *value);
bool read_u64(struct reader *reader, uint64_t *value);
bool read_bytes(struct reader *reader, struct bytes *value);
bool read_string(struct reader *reader, const char **value);
bool read_strings(struct reader *reader, struct strings *value);
bool read_numbers(struct reader *reader, struct numbers *value);

/* The next string of a list, NULL after the last. */
const char *strings_next(struct strings *strings);

/* The strings as a NULL-terminated array (to be freed), NULL without memory. */
char **strings_array(const struct strings *strings);

uint32_t numbers_at(const struct numbers *numbers, uint32_t index);

struct shim_context;
struct child_context;

int bad_arguments(unsigned code);
int unknown_step(unsigned code);

/* One step of a plan: its number and its encoded arguments. */
struct step {
  uint16_t code;
  struct reader arguments;
};

/* Reads the next step; false at the plan's end, or with `failure` set where it is broken. */
bool plan_next(struct reader *plan, struct step *step);

/* Checks a plan's header; -1 with the failure recorded when it is not one. */
int plan_open(struct bytes bytes, struct reader *plan);

#endif
