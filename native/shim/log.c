/*
 * The log in Docker's json-file format (moby daemon/logger/jsonfilelog): one document a line with log, stream and time. A line
 * over 16 KiB is written in parts, of which only the last ends with a newline and all carry the time of the first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

/* A part of a line with every byte escaped ("\u0000"), and what is around it. */
#define MOST_RECORD_BYTES (LOG_LINE_BYTES * 6 + 128 + LOG_ATTRIBUTES_BYTES)
#define BATCH_BYTES (MOST_RECORD_BYTES + (64u << 10))

static char batch[BATCH_BYTES];
static size_t batch_length;

static int open_file(const char *path, int flags) {
  return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0640);
}

static void adopt(struct log *log, int fd) {
  struct stat status;
  if (log->fd >= 0)
    close(log->fd);
  log->fd = fd;
  log->size = fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

struct log *log_open(const char *path, uint64_t most_bytes, uint32_t most_files, const char *attributes) {
  if (attributes != NULL && strlen(attributes) > LOG_ATTRIBUTES_BYTES - 16) {
    fail_with(E2BIG, "the attributes of a log are too long");
    return NULL;
  }
  struct log *log = calloc(1, sizeof *log);
  if (log != NULL)
    log->fd = -1;
  if (log == NULL || (log->path = strdup(path)) == NULL ||
      (attributes != NULL && (log->attributes = strdup(attributes)) == NULL)) {
    log_close(log);
    fail_with(ENOMEM, "no memory for a log");
    return NULL;
  }
  log->most_bytes = most_bytes;
  log->most_files = most_files;
  int fd = open_file(path, 0);
  if (fd < 0) {
    fail("open log %s", path);
    log_close(log);
    return NULL;
  }
  adopt(log, fd);
  return log;
}

int log_reopen(struct log *log) {
  int fd = open_file(log->path, 0);
  if (fd < 0)
    return fail("open log %s", log->path);
  adopt(log, fd);
  return 0;
}

void log_position(const struct log *log, uint64_t position[2]) {
  struct stat status;
  position[0] = position[1] = 0;
  if (fstat(log->fd, &status) < 0)
    return;
  position[0] = (uint64_t)status.st_ino;
  position[1] = (uint64_t)status.st_size;
}

void log_close(struct log *log) {
  if (log == NULL)
    return;
  if (log->fd >= 0)
    close(log->fd);
  free(log->path);
  free(log->attributes);
  free(log);
}

/* path.N-1 becomes path.N, and path.N-1.gz path.N.gz; what the daemon compressed is the one or the other. */
static void shift(const struct log *log, uint32_t number, const char *suffix) {
  char from[4096], to[4096];
  snprintf(to, sizeof to, "%s.%u%s", log->path, number, suffix);
  snprintf(from, sizeof from, "%s.%u%s", log->path, number - 1, suffix);
  if (rename(from, to) < 0 && errno == ENOENT)
    unlink(to);
}

/* The file becomes path.1, path.1 path.2, and so on; with one file the text is thrown away instead. */
static void rotate(struct log *log) {
  char first[4096];
  for (uint32_t number = log->most_files; number-- > 2;) {
    shift(log, number, "");
    shift(log, number, ".gz");
  }
  if (log->most_files > 1) {
    snprintf(first, sizeof first, "%s.1.gz", log->path);
    unlink(first);
    snprintf(first, sizeof first, "%s.1", log->path);
    rename(log->path, first);
  }
  int fd = open_file(log->path, log->most_files > 1 ? 0 : O_TRUNC);
  if (fd >= 0)
    adopt(log, fd);
}

/* What a full disk does not take is lost, as with Docker: the container goes on. */
static void flush(struct log *log) {
  size_t done = 0;
  while (done < batch_length) {
    ssize_t written = write(log->fd, batch + done, batch_length - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      break;
    done += (size_t)written;
  }
  log->size += done;
  batch_length = 0;
}

static void put(const char *text, size_t length) {
  memcpy(batch + batch_length, text, length);
  batch_length += length;
}

/* The length of the well-formed UTF-8 sequence at `text`, 0 when there is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const uint8_t *text, size_t left) {
  uint8_t first = text[0];
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || left < length)
    return 0;
  uint8_t low = 0x80, high = 0xbf;
  if (first == 0xe0)
    low = 0xa0;
  else if (first == 0xed)
    high = 0x9f;
  else if (first == 0xf0)
    low = 0x90;
  else if (first == 0xf4)
    high = 0x8f;
  if (text[1] < low || text[1] > high)
    return 0;
  for (size_t index = 2; index < length; index++)
    if (text[index] < 0x80 || text[index] > 0xbf)
      return 0;
  return length;
}

static void put_escape(uint8_t byte) {
  char escape[8];
  if (byte == '\\' || byte == '"')
    put(escape, (size_t)snprintf(escape, sizeof escape, "\\%c", byte));
  else if (byte == '\n')
    put("\\n", 2);
  else if (byte == '\r')
    put("\\r", 2);
  else
    put(escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
}

/* The beginning of `text` that JSON takes as it is. */
static size_t plain_length(const uint8_t *text, size_t length) {
  static bool plain[256];
  if (!plain['a'])
    for (int byte = 0x20; byte < 0x80; byte++)
      plain[byte] = strchr("\\\"<>&", byte) == NULL;
  size_t at = 0;
  while (at < length && plain[text[at]])
    at++;
  return at;
}

/* As Go's encoding/json writes strings: markup and line separators escaped, what is not UTF-8 replaced. */
static void put_json_string(const uint8_t *text, size_t length) {
  for (size_t at = 0; at < length;) {
    size_t plain = plain_length(text + at, length - at);
    put((const char *)text + at, plain);
    at += plain;
    if (at == length)
      return;
    if (text[at] < 0x80) {
      put_escape(text[at++]);
      continue;
    }
    size_t sequence = utf8_length(text + at, length - at);
    bool separator = sequence == 3 && text[at] == 0xe2 && text[at + 1] == 0x80 && (text[at + 2] & 0xfe) == 0xa8;
    if (sequence == 0)
      put("\\ufffd", 6);
    else if (separator)
      put(text[at + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    else
      put((const char *)text + at, sequence);
    at += sequence == 0 ? 1 : sequence;
  }
}

/* RFC 3339 with nanoseconds as Go writes it: without the zeros at the end of the fraction. Many lines share a second. */
static void put_time(int64_t seconds, long nanos) {
  static char text[64];
  static size_t length;
  static int64_t shown = -1;
  if (seconds != shown) {
    time_t time = (time_t)seconds;
    struct tm date;
    gmtime_r(&time, &date);
    length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &date);
    shown = seconds;
  }
  put(text, length);
  if (nanos != 0) {
    char fraction[10] = ".";
    size_t digits = 9;
    for (size_t index = 9; index > 0; index--, nanos /= 10)
      fraction[index] = (char)('0' + nanos % 10);
    while (fraction[digits] == '0')
      digits--;
    put(fraction, digits + 1);
  }
  put("Z", 1);
}

/* One document: a line or a part of one. The first part's time is kept for those that follow. */
static void put_record(struct log *log, struct output *output, const uint8_t *text, size_t length, bool ends_line) {
  if (log->most_bytes > 0 && log->size + batch_length >= log->most_bytes) {
    flush(log);
    rotate(log);
  }
  if (batch_length + MOST_RECORD_BYTES > BATCH_BYTES)
    flush(log);
  if (!output->line_continues) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    output->line_seconds = now.tv_sec;
    output->line_nanos = now.tv_nsec;
  }
  output->line_continues = !ends_line;
  put("{\"log\":\"", 8);
  put_json_string(text, length);
  if (ends_line)
    put("\\n", 2);
  put(output->number == STDERR_STREAM ? "\",\"stream\":\"stderr\"," : "\",\"stream\":\"stdout\",", 20);
  if (log->attributes != NULL) {
    put("\"attrs\":", 8);
    put(log->attributes, strlen(log->attributes));
    put(",", 1);
  }
  put("\"time\":\"", 8);
  put_time(output->line_seconds, output->line_nanos);
  put("\"}\n", 3);
}

/* Keeps the beginning of a line until its end comes, in parts of at most LOG_LINE_BYTES. */
static void keep(struct log *log, struct output *output, const uint8_t *data, size_t length) {
  while (length > 0) {
    size_t room = LOG_LINE_BYTES - output->line_length;
    size_t take = length < room ? length : room;
    memcpy(output->line + output->line_length, data, take);
    output->line_length += take;
    data += take;
    length -= take;
    if (output->line_length == LOG_LINE_BYTES) {
      put_record(log, output, output->line, output->line_length, false);
      output->line_length = 0;
    }
  }
}

void log_output(struct log *log, struct output *output, const uint8_t *data, size_t length) {
  if (output->line == NULL && (output->line = malloc(LOG_LINE_BYTES)) == NULL)
    return;
  while (length > 0) {
    const uint8_t *newline = memchr(data, '\n', length);
    if (newline == NULL) {
      keep(log, output, data, length);
      break;
    }
    size_t line = (size_t)(newline - data);
    if (output->line_length == 0 && line < LOG_LINE_BYTES) {
      put_record(log, output, data, line, true);
    } else {
      keep(log, output, data, line);
      put_record(log, output, output->line, output->line_length, true);
      output->line_length = 0;
    }
    data += line + 1;
    length -= line + 1;
  }
  flush(log);
}

void log_end(struct log *log, struct output *output) {
  if (output->line_length > 0) {
    put_record(log, output, output->line, output->line_length, false);
    output->line_length = 0;
    flush(log);
  }
}
