/* What the parts of the shim share: the processes, their streams, the connections. */
#ifndef GANTRY_SHIM_H
#define GANTRY_SHIM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "failure.h"
#include "loop.h"
#include "plan.h"

/* Limits; docs/flow.md tells what happens at each. */
#define MOST_CONNECTIONS 256
#define MOST_PROCESSES 1024
#define ID_BYTES 128
#define REQUEST_BYTES (4u << 20)
#define REPLY_BYTES (1u << 20)
#define ATTACH_BYTES (64u << 10)
#define INPUT_BYTES (16u << 10)
#define LOG_LINE_BYTES (16u << 10)
#define LOG_ATTRIBUTES_BYTES (32u << 10)
#define CHUNK_BYTES (32u << 10)
#define STREAM_GRACE_MS 2000
#define ATTACH_STALL_MS (10u * 60 * 1000)

#define NO_STEP 0xffffffffu

enum stream_number { STDIN_STREAM, STDOUT_STREAM, STDERR_STREAM };

struct process;

struct log {
  char *path;
  int fd;
  uint64_t size;
  uint64_t most_bytes;
  uint32_t most_files;
  char *attributes; /* a JSON object that every record carries, or NULL */
};

/* One output of a process: what is read goes to the log and to every attached connection. */
struct output {
  struct watch watch;
  struct process *process;
  enum stream_number number;
  uint8_t *line; /* an unfinished log line */
  size_t line_length;
  bool line_continues; /* parts of it are written */
  int64_t line_seconds;
  long line_nanos;
};

enum process_state { PROCESS_STARTING, PROCESS_PAUSED, PROCESS_RESUMED, PROCESS_RUNNING, PROCESS_EXITED };

struct process {
  struct process *next;
  char id[ID_BYTES];
  enum process_state state;
  pid_t pid;
  uint64_t start_ticks;
  int pidfd;

  struct watch sync; /* the process's end of the launch, until it has executed */
  bool launched;     /* it said that it is about to */
  bool failed;       /* a step failed: its end is not an exit to tell of */
  struct step_list *steps;
  uint8_t *plan;
  struct connection *waiting; /* whose request ends at the next pause or at the exec */
  uint32_t waiting_request;

  bool inherits; /* it has our own standard streams: launcher.c */
  bool terminal;
  uint16_t rows, columns;
  bool stdin_open, stdin_once, hold_output;
  bool attached_once;
  struct watch input; /* to its stdin, or the pty's master */
  uint8_t *input_data;
  size_t input_length;
  bool input_ending;
  struct output outputs[2];
  struct log *log;

  bool acknowledged, told;
  int exit_code, exit_signal;
  bool oom_killed;
  uint64_t oom_kills_before;
  int64_t exit_at_ms;
  uint64_t grace_until;
};

/* ---- process.c: the table, and what becomes of each */

extern struct process *processes;

struct process *process_find(const char *id);
struct process *process_new(const char *id);
void process_set_identity(struct process *process);
/* The launch of a process went on, failed or ended: the request that waits for it gets its answer. */
void process_reached(struct process *process, enum process_state state);
void process_launch_failed(struct process *process, uint32_t step);
/* A child of the shim has ended. */
void process_ended(pid_t pid, int status);
/* Tells of an exit when its output is through, drops what nobody needs; returns the next deadline, 0 for none. */
uint64_t process_settle_all(void);
void process_acknowledge(struct process *process);
bool process_any_left(void);
bool process_any_running(void);
/* False until a process was launched and forgotten again. */
bool process_any_forgotten(void);

/* ---- launch.c: the shim's side of a launch plan */

/* Takes the steps up to clone; the process goes on by itself. -1 with the failure and the step recorded. */
int launch_start(struct process *process, struct bytes plan, uint32_t *failed_step);
void launch_resume(struct process *process);
void launch_forget(struct process *process);
/* Hears what the process said before it ended. */
void launch_drain(struct process *process);

/* ---- streams.c */

int streams_open(struct process *process, int child_ends[3]);
void streams_terminal(struct process *process, int master);
int streams_set_size(struct process *process, uint16_t rows, uint16_t columns);
/* Starts reading what became readable or takeable. */
void streams_update(struct process *process);
void streams_input(struct process *process, const uint8_t *data, size_t length);
size_t streams_input_space(const struct process *process);
void streams_end_input(struct process *process);
bool streams_ended(const struct process *process);
/* An attached connection is too slow to take what is there. */
bool streams_blocked(const struct process *process);
void streams_close(struct process *process);
void streams_free(struct process *process);

/* ---- attach.c: connections that carry a process's streams */

struct attachment;
/* Beside the streams' bits: begin with the unfinished lines, which are not in the log yet. */
#define ATTACH_AFTER_LOG 8u
int attach_start(struct connection *connection, struct process *process, uint32_t streams);
/* Bytes that every connection attached to this output can take now. */
size_t attach_space(const struct process *process, enum stream_number stream);
bool attach_any(const struct process *process);
void attach_output(struct process *process, enum stream_number stream, const uint8_t *data, size_t length);
/* Closes what has got everything, and what has taken nothing for too long; returns the next deadline, 0 for none. */
uint64_t attach_settle_all(void);
void attach_resume_input(struct process *process);

/* ---- log.c */

/* `attributes`: a JSON object of at most LOG_ATTRIBUTES_BYTES, or NULL. */
struct log *log_open(const char *path, uint64_t most_bytes, uint32_t most_files, const char *attributes);
int log_reopen(struct log *log);
/* The file that is written now and its length: what is read up to there, and then attached to, is everything. */
void log_position(const struct log *log, uint64_t position[2]);
void log_output(struct log *log, struct output *output, const uint8_t *data, size_t length);
/* The output has ended: its unfinished line is written as it is. */
void log_end(struct log *log, struct output *output);
void log_close(struct log *log);

/* ---- oom.c */

int oom_watch(const char *directory, uint32_t version);
/* Kills counted so far in the watched cgroup. */
uint64_t oom_kills(void);

/* ---- connection.c */

struct connection;
int connection_listen(int directory);
int connection_add(int fd);
void connection_reply(struct connection *connection, uint32_t request, const void *body, size_t length);
void connection_reply_process(struct connection *connection, uint32_t request, const struct process *process);
void connection_reply_failure(struct connection *connection, uint32_t request, uint32_t step);
void connection_tell_exit(const struct process *process);
void connection_tell_oom(void);
void connection_tell_notify(const struct process *process, const char *tag);
/* Takes the descriptor out of the connection, which is gone afterwards. */
int connection_release(struct connection *connection);
bool connection_any(void);
/* Before there is a loop: tells on a bare descriptor why the shim could not start. */
void connection_send_start_failure(int fd);

/* ---- nursery.c: the parent of a daemon's shims */

/* Forks a shim for each order: true in the shim, with what it is for; false when the daemon has gone. */
bool nursery(int orders, char *directory, int *connection);

/* ---- launcher.c: one launch without a shim, for gantry-runtime */

int launcher_main(int argc, char **argv);
/* A step failed; the failure is recorded. */
void launcher_failed(uint32_t step);
/* The container's terminal. */
void launcher_terminal(int master);
/* Descriptors from 3 on that the process keeps. */
extern unsigned launcher_preserved;
/* Listens for the one who starts what is created; -1: a shim does. */
extern int launcher_start_socket;

/* ---- main.c */

extern int shim_directory;
/* What the process is called in listings of processes. */
void set_title(const char *text);

#endif
