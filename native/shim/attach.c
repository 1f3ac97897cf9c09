/*
 * Connections that carry a process's streams: output in Docker's framing (stream, three zeros, length, bytes; raw with a
 * terminal), input as it comes. A slow one holds the process back, as with Docker, but not for ever: after ATTACH_STALL_MS
 * without taking a byte it is closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim.h"

#define HEADER_BYTES 8

struct attachment {
  struct attachment *next;
  struct watch watch;
  struct process *process;
  uint32_t streams; /* 1 << stream number */
  bool input_ended;
  bool gone; /* closed by the other end: only input that it wrote before is left */
  uint64_t taken_at;
  size_t length;
  uint8_t data[ATTACH_BYTES];
};

static struct attachment *attachments;

static bool wants(const struct attachment *attachment, enum stream_number stream) {
  return (attachment->streams >> stream & 1) != 0;
}

/* Nothing more will come for it. */
static bool finished(const struct attachment *attachment) {
  const struct process *process = attachment->process;
  for (int index = 0; index < 2; index++) {
    const struct output *output = &process->outputs[index];
    if (wants(attachment, output->number) && output->watch.fd >= 0)
      return false;
  }
  return process->state == PROCESS_EXITED && attachment->length == 0;
}

static void update(struct attachment *attachment) {
  uint32_t events = attachment->gone ? 0 : EPOLLHUP;
  if (!attachment->input_ended && (!wants(attachment, STDIN_STREAM) || streams_input_space(attachment->process) > 0))
    events |= EPOLLIN;
  if (attachment->length > 0)
    events |= EPOLLOUT;
  loop_change(&attachment->watch, events);
}

static void end_input(struct attachment *attachment) {
  if (attachment->input_ended)
    return;
  attachment->input_ended = true;
  if (wants(attachment, STDIN_STREAM))
    streams_end_input(attachment->process);
}

static void drop(struct attachment *attachment) {
  struct process *process = attachment->process;
  for (struct attachment **link = &attachments; *link != NULL; link = &(*link)->next)
    if (*link == attachment) {
      *link = attachment->next;
      break;
    }
  loop_close(&attachment->watch);
  end_input(attachment);
  free(attachment);
  streams_update(process);
}

/* False when the connection is gone. */
static bool send_pending(struct attachment *attachment) {
  size_t done = 0;
  while (done < attachment->length) {
    ssize_t sent = send(attachment->watch.fd, attachment->data + done, attachment->length - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0 && errno == EAGAIN)
      break;
    if (sent <= 0)
      return false;
    done += (size_t)sent;
  }
  if (done > 0) {
    attachment->length -= done;
    memmove(attachment->data, attachment->data + done, attachment->length);
    attachment->taken_at = loop_now();
  }
  return true;
}

/* False when the connection is gone. */
static bool receive(struct attachment *attachment) {
  uint8_t data[INPUT_BYTES];
  bool is_input = wants(attachment, STDIN_STREAM);
  size_t space = is_input ? streams_input_space(attachment->process) : sizeof data;
  if (space == 0)
    return true;
  ssize_t length = recv(attachment->watch.fd, data, space, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return true;
  if (length < 0)
    return false;
  if (length == 0)
    end_input(attachment);
  else if (is_input)
    streams_input(attachment->process, data, (size_t)length);
  return true;
}

static void attachment_ready(struct watch *watch, uint32_t events) {
  struct attachment *attachment = container_of(watch, struct attachment, watch);
  bool alive = true;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    attachment->gone = true;
    attachment->streams &= 1u << STDIN_STREAM;
    attachment->length = 0;
  }
  if ((events & (EPOLLIN | EPOLLHUP)) != 0 && !attachment->input_ended)
    alive = receive(attachment);
  if (alive && (events & EPOLLOUT) != 0)
    alive = send_pending(attachment);
  if (attachment->gone && (attachment->input_ended || !wants(attachment, STDIN_STREAM)))
    alive = false;
  if (!alive) {
    drop(attachment);
    return;
  }
  update(attachment);
  streams_update(attachment->process);
}

/* The caller has seen that there is room. */
static void queue(struct attachment *attachment, enum stream_number stream, const uint8_t *data, size_t length) {
  const uint8_t header[HEADER_BYTES] = {(uint8_t)stream,          0, 0, 0, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                        (uint8_t)(length >> 8), (uint8_t)length};
  if (attachment->length == 0)
    attachment->taken_at = loop_now();
  if (!attachment->process->terminal) {
    memcpy(attachment->data + attachment->length, header, HEADER_BYTES);
    attachment->length += HEADER_BYTES;
  }
  memcpy(attachment->data + attachment->length, data, length);
  attachment->length += length;
}

int attach_start(struct connection *connection, struct process *process, uint32_t streams) {
  struct attachment *attachment = malloc(sizeof *attachment);
  if (attachment == NULL)
    return fail_with(ENOMEM, "no memory to attach");
  attachment->process = process;
  attachment->streams = streams & 7;
  attachment->input_ended = attachment->gone = false;
  attachment->taken_at = loop_now();
  attachment->length = 0;
  attachment->next = attachments;
  attachments = attachment;
  process->attached_once = true;
  loop_add(&attachment->watch, connection_release(connection), EPOLLHUP, attachment_ready);
  for (int index = 0; index < 2 && (streams & ATTACH_AFTER_LOG) != 0; index++) {
    const struct output *output = &process->outputs[index];
    if (wants(attachment, output->number) && output->line_length > 0)
      queue(attachment, output->number, output->line, output->line_length);
  }
  update(attachment);
  streams_update(process);
  return 0;
}

size_t attach_space(const struct process *process, enum stream_number stream) {
  size_t space = ATTACH_BYTES;
  for (struct attachment *each = attachments; each != NULL; each = each->next)
    if (each->process == process && wants(each, stream) && ATTACH_BYTES - each->length < space)
      space = ATTACH_BYTES - each->length;
  return space < HEADER_BYTES ? 0 : space - HEADER_BYTES;
}

bool attach_any(const struct process *process) {
  for (struct attachment *each = attachments; each != NULL; each = each->next)
    if (each->process == process)
      return true;
  return false;
}

void attach_output(struct process *process, enum stream_number stream, const uint8_t *data, size_t length) {
  for (struct attachment *each = attachments, *next; each != NULL; each = next) {
    next = each->next;
    if (each->process != process || !wants(each, stream))
      continue;
    queue(each, stream, data, length);
    if (send_pending(each))
      update(each);
    else
      drop(each);
  }
}

void attach_resume_input(struct process *process) {
  for (struct attachment *each = attachments; each != NULL; each = each->next)
    if (each->process == process)
      update(each);
}

uint64_t attach_settle_all(void) {
  uint64_t now = loop_now(), deadline = 0;
  for (struct attachment *each = attachments, *next; each != NULL; each = next) {
    next = each->next;
    uint64_t stalls = each->taken_at + ATTACH_STALL_MS;
    if (finished(each) || (each->length > 0 && stalls <= now))
      drop(each);
    else if (each->length > 0 && (deadline == 0 || stalls < deadline))
      deadline = stalls;
  }
  return deadline;
}
