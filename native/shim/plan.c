#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool take(struct reader *reader, size_t length, const uint8_t **data) {
  if ((size_t)(reader->end - reader->at) < length)
    return false;
  *data = reader->at;
  reader->at += length;
  return true;
}

bool read_u16(struct reader *reader, uint16_t *value) {
  const uint8_t *data;
  if (!take(reader, 2, &data))
    return false;
  *value = (uint16_t)(data[0] | data[1] << 8);
  return true;
}

static uint32_t u32_at(const uint8_t *data) {
  return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

bool read_u32(struct reader *reader, uint32_t *value) {
  const uint8_t *data;
  if (!take(reader, 4, &data))
    return false;
  *value = u32_at(data);
  return true;
}

bool read_i32(struct reader *reader, int32_t *value) {
  uint32_t bits;
  if (!read_u32(reader, &bits))
    return false;
  memcpy(value, &bits, sizeof bits);
  return true;
}

bool read_u64(struct reader *reader, uint64_t *value) {
  uint32_t low, high;
  if (!read_u32(reader, &low) || !read_u32(reader, &high))
    return false;
  *value = (uint64_t)high << 32 | low;
  return true;
}

bool read_bytes(struct reader *reader, struct bytes *value) {
  uint32_t length;
  const uint8_t *data;
  if (!read_u32(reader, &length) || !take(reader, length, &data))
    return false;
  value->length = length;
  value->data = data;
  return true;
}

bool read_string(struct reader *reader, const char **value) {
  uint32_t length;
  const uint8_t *data;
  if (!read_u32(reader, &length) || !take(reader, (size_t)length + 1, &data))
    return false;
  if (memchr(data, 0, (size_t)length + 1) != data + length)
    return false;
  *value = (const char *)data;
  return true;
}

bool read_strings(struct reader *reader, struct strings *value) {
  uint32_t count;
  if (!read_u32(reader, &count))
    return false;
  struct reader rest = *reader;
  for (uint32_t index = 0; index < count; index++) {
    const char *ignored;
    if (!read_string(reader, &ignored))
      return false;
  }
  value->count = count;
  value->rest = rest;
  return true;
}

bool read_numbers(struct reader *reader, struct numbers *value) {
  uint32_t count;
  const uint8_t *data;
  if (!read_u32(reader, &count) || !take(reader, (size_t)count * 4, &data))
    return false;
  value->count = count;
  value->data = data;
  return true;
}

const char *strings_next(struct strings *strings) {
  const char *value;
  if (strings->count == 0 || !read_string(&strings->rest, &value))
    return NULL;
  strings->count--;
  return value;
}

char **strings_array(const struct strings *strings) {
  struct strings rest = *strings;
  char **array = calloc((size_t)strings->count + 1, sizeof *array);
  if (array == NULL)
    return NULL;
  for (uint32_t index = 0; index < strings->count; index++)
    array[index] = (char *)(uintptr_t)strings_next(&rest);
  return array;
}

uint32_t numbers_at(const struct numbers *numbers, uint32_t index) {
  return u32_at(numbers->data + (size_t)index * 4);
}

int bad_arguments(unsigned code) {
  return fail_with(EINVAL, "the arguments of step %u cannot be read", code);
}

int unknown_step(unsigned code) {
  return fail_with(ENOSYS, "step %u is not known to this shim, or out of place", code);
}

bool plan_next(struct reader *plan, struct step *step) {
  failure.error = 0;
  if (plan->at == plan->end)
    return false;
  struct bytes arguments;
  if (!read_u16(plan, &step->code) || !read_bytes(plan, &arguments)) {
    fail_with(EINVAL, "the launch plan is cut off");
    return false;
  }
  step->arguments.at = arguments.data;
  step->arguments.end = arguments.data + arguments.length;
  return true;
}

int plan_open(struct bytes bytes, struct reader *plan) {
  static const char magic[] = "GLP1";
  plan->at = bytes.data;
  plan->end = bytes.data + bytes.length;
  const uint8_t *data;
  if (!take(plan, 4, &data) || memcmp(data, magic, 4) != 0)
    return fail_with(EINVAL, "not a launch plan of version 1");
  return 0;
}
