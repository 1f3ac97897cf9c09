/* Between the connections and what they ask for. */
#ifndef GANTRY_REQUESTS_H
#define GANTRY_REQUESTS_H
#include "shim.h"

enum frame_kind {
  REQUEST_SPAWN = 1,
  REQUEST_RESUME,
  REQUEST_LIST,
  REQUEST_SIGNAL,
  REQUEST_RESIZE,
  REQUEST_ATTACH,
  REQUEST_REOPEN_LOG,
  REQUEST_ACKNOWLEDGE,
  REPLY_OK = 128,
  REPLY_FAILED,
  EVENT_HELLO,
  EVENT_EXIT,
  EVENT_OOM,
  EVENT_NOTIFY
};

/* A body being written; what does not fit is left out, and bodies are sized so that all does. */
struct writer {
  uint8_t data[1024];
  size_t length;
};

void write_process(struct writer *writer, const struct process *process);
/* Makes room for `wanted` bytes, at most `most`; false when there is none. */
bool grow(uint8_t **data, size_t *room, size_t wanted, size_t most);
/* Answers a request; false when the connection is no longer one of ours. */
bool handle_request(struct connection *connection, uint32_t request, uint16_t kind, struct reader *body);

#endif
