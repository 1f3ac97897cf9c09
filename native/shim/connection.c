/*
 * The daemon's connections. A frame is: length of what follows (u32), request number (u32), kind (u16), body. Requests are
 * answered with OK or FAILED under the same number; events carry number 0. Native byte order of the machines we run on:
 * little-endian.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "requests.h"

#define PROTOCOL_VERSION 1
#define HEADER_BYTES 10

struct connection {
  struct connection *next;
  struct watch watch;
  uint8_t *in;
  size_t in_length, in_room;
  uint8_t *out;
  size_t out_length, out_room;
};

static struct connection *connections;
static unsigned connection_count;
static struct watch listener = {.fd = -1};

static void connection_close(struct connection *connection) {
  for (struct connection **link = &connections; *link != NULL; link = &(*link)->next)
    if (*link == connection) {
      *link = connection->next;
      break;
    }
  connection_count--;
  for (struct process *process = processes; process != NULL; process = process->next)
    if (process->waiting == connection)
      process->waiting = NULL;
  loop_close(&connection->watch);
  free(connection->in);
  free(connection->out);
  free(connection);
}

/* ---- writing */

bool grow(uint8_t **data, size_t *room, size_t wanted, size_t most) {
  if (wanted <= *room)
    return true;
  if (wanted > most)
    return false;
  size_t size = *room == 0 ? 512 : *room;
  while (size < wanted)
    size *= 2;
  uint8_t *larger = realloc(*data, size);
  if (larger == NULL)
    return false;
  *data = larger;
  *room = size;
  return true;
}

/* False when the connection is gone. */
static bool flush(struct connection *connection) {
  size_t done = 0;
  while (done < connection->out_length) {
    ssize_t sent = send(connection->watch.fd, connection->out + done, connection->out_length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0 && errno == EAGAIN)
      break;
    if (sent <= 0)
      return false;
    done += (size_t)sent;
  }
  connection->out_length -= done;
  memmove(connection->out, connection->out + done, connection->out_length);
  loop_change(&connection->watch, connection->out_length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
  return true;
}

/* A daemon that does not read is dropped: it may connect again, and exits are told again until acknowledged. */
static void send_frame(struct connection *connection, uint32_t request, uint16_t kind, const void *body, size_t length) {
  uint32_t after = (uint32_t)(HEADER_BYTES - 4 + length);
  size_t end = connection->out_length + HEADER_BYTES + length;
  if (!grow(&connection->out, &connection->out_room, end, REPLY_BYTES)) {
    shutdown(connection->watch.fd, SHUT_RDWR);
    return;
  }
  uint8_t *at = connection->out + connection->out_length;
  memcpy(at, &after, 4);
  memcpy(at + 4, &request, 4);
  memcpy(at + 8, &kind, 2);
  if (length > 0)
    memcpy(at + HEADER_BYTES, body, length);
  connection->out_length = end;
  if (!flush(connection))
    shutdown(connection->watch.fd, SHUT_RDWR);
}

static void write_bytes(struct writer *writer, const void *data, size_t length) {
  if (length > sizeof writer->data - writer->length)
    length = sizeof writer->data - writer->length;
  memcpy(writer->data + writer->length, data, length);
  writer->length += length;
}

static void write_u32(struct writer *writer, uint32_t value) {
  write_bytes(writer, &value, sizeof value);
}

static void write_u64(struct writer *writer, uint64_t value) {
  write_bytes(writer, &value, sizeof value);
}

static void write_string(struct writer *writer, const char *text) {
  write_u32(writer, (uint32_t)strlen(text));
  write_bytes(writer, text, strlen(text) + 1);
}

static void write_exit(struct writer *writer, const struct process *process) {
  write_u32(writer, (uint32_t)process->exit_code);
  write_u32(writer, (uint32_t)process->exit_signal);
  write_u32(writer, process->oom_killed);
  write_u64(writer, (uint64_t)process->exit_at_ms);
}

void write_process(struct writer *writer, const struct process *process) {
  write_string(writer, process->id);
  write_u32(writer, (uint32_t)process->pid);
  write_u64(writer, process->start_ticks);
  write_u32(writer, process->state);
  write_exit(writer, process);
}

void connection_reply(struct connection *connection, uint32_t request, const void *body, size_t length) {
  send_frame(connection, request, REPLY_OK, body, length);
}

void connection_reply_process(struct connection *connection, uint32_t request, const struct process *process) {
  struct writer writer = {.length = 0};
  write_process(&writer, process);
  send_frame(connection, request, REPLY_OK, writer.data, writer.length);
}

void connection_reply_failure(struct connection *connection, uint32_t request, uint32_t step) {
  struct writer writer = {.length = 0};
  write_u32(&writer, step);
  write_u32(&writer, (uint32_t)failure.error);
  write_string(&writer, failure.text);
  send_frame(connection, request, REPLY_FAILED, writer.data, writer.length);
}

void connection_send_start_failure(int fd) {
  struct writer writer = {.length = 0};
  uint32_t after, request = 0;
  uint16_t kind = REPLY_FAILED;
  write_u32(&writer, 0);
  write_bytes(&writer, &request, 4);
  write_bytes(&writer, &kind, 2);
  write_u32(&writer, NO_STEP);
  write_u32(&writer, (uint32_t)failure.error);
  write_string(&writer, failure.text);
  after = (uint32_t)writer.length - 4;
  memcpy(writer.data, &after, 4);
  if (write(fd, writer.data, writer.length) < 0)
    errno = 0;
}

static void tell_all(uint16_t kind, const struct writer *writer) {
  for (struct connection *each = connections; each != NULL; each = each->next)
    send_frame(each, 0, kind, writer->data, writer->length);
}

static void exit_event(struct writer *writer, const struct process *process) {
  write_string(writer, process->id);
  write_exit(writer, process);
}

void connection_tell_exit(const struct process *process) {
  struct writer writer = {.length = 0};
  exit_event(&writer, process);
  tell_all(EVENT_EXIT, &writer);
}

void connection_tell_oom(void) {
  struct writer writer = {.length = 0};
  tell_all(EVENT_OOM, &writer);
}

void connection_tell_notify(const struct process *process, const char *tag) {
  struct writer writer = {.length = 0};
  write_string(&writer, process->id);
  write_u32(&writer, (uint32_t)process->pid);
  write_string(&writer, tag);
  tell_all(EVENT_NOTIFY, &writer);
}

int connection_release(struct connection *connection) {
  int fd = fcntl(connection->watch.fd, F_DUPFD_CLOEXEC, 3);
  connection_close(connection);
  return fd;
}

bool connection_any(void) {
  return connections != NULL;
}

/* ---- reading */

/* Handles every whole frame that is there; false when the connection is closed or given away. */
static bool handle_frames(struct connection *connection) {
  size_t at = 0;
  while (connection->in_length - at >= HEADER_BYTES) {
    uint32_t after, request;
    uint16_t kind;
    uint8_t *frame = connection->in + at;
    memcpy(&after, frame, 4);
    memcpy(&request, frame + 4, 4);
    memcpy(&kind, frame + 8, 2);
    if (after < HEADER_BYTES - 4 || after > REQUEST_BYTES) {
      connection_close(connection);
      return false;
    }
    if (connection->in_length - at - 4 < after)
      break;
    struct reader body = {.at = frame + HEADER_BYTES, .end = frame + 4 + after};
    at += 4 + after;
    if (!handle_request(connection, request, kind, &body))
      return false;
  }
  connection->in_length -= at;
  memmove(connection->in, connection->in + at, connection->in_length);
  return true;
}

static void connection_ready(struct watch *watch, uint32_t events) {
  struct connection *connection = container_of(watch, struct connection, watch);
  if ((events & EPOLLOUT) != 0 && !flush(connection)) {
    connection_close(connection);
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
    return;
  if (!grow(&connection->in, &connection->in_room, connection->in_length + 4096, REQUEST_BYTES + 8192)) {
    connection_close(connection);
    return;
  }
  ssize_t length = recv(watch->fd, connection->in + connection->in_length, connection->in_room - connection->in_length, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length <= 0) {
    connection_close(connection);
    return;
  }
  connection->in_length += (size_t)length;
  handle_frames(connection);
}

int connection_add(int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL || loop_add(&connection->watch, fd, EPOLLIN, connection_ready) < 0) {
    free(connection);
    close(fd);
    return fail_with(ENOMEM, "no memory for a connection");
  }
  connection->next = connections;
  connections = connection;
  connection_count++;
  struct writer writer = {.length = 0};
  write_u32(&writer, PROTOCOL_VERSION);
  write_u32(&writer, (uint32_t)getpid());
  send_frame(connection, 0, EVENT_HELLO, writer.data, writer.length);
  for (struct process *process = processes; process != NULL; process = process->next)
    if (process->told && !process->acknowledged) {
      struct writer exit = {.length = 0};
      exit_event(&exit, process);
      send_frame(connection, 0, EVENT_EXIT, exit.data, exit.length);
    }
  return 0;
}

static void listener_ready(struct watch *watch, uint32_t events) {
  (void)events;
  int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0)
    return;
  struct ucred peer;
  socklen_t length = sizeof peer;
  bool ours = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid();
  if (!ours || connection_count >= MOST_CONNECTIONS) {
    close(fd);
    return;
  }
  connection_add(fd);
}

/* A socket of the file system only, for us alone: bound from inside its directory, so that no path is too long. */
int connection_listen(int directory) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "shim.sock"};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return fail("socket");
  mode_t before = umask(0177);
  bool bound = fchdir(directory) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0;
  int error = errno;
  umask(before);
  if (!bound || chdir("/") < 0) {
    close(fd);
    return fail_with(error, "listen on shim.sock");
  }
  return loop_add(&listener, fd, EPOLLIN, listener_ready);
}
