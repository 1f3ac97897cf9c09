/* The process's side of a launch: what its steps share. */
#ifndef GANTRY_CHILD_H
#define GANTRY_CHILD_H
#include "launch.h"

struct child_context {
  struct process *process; /* a copy of the shim's: to be read only */
  int sync;
  uint32_t index; /* the step in work */
  int root;       /* O_PATH on the container's root, once there is one; -1 before */
  bool directory_pending;
  int user_namespace; /* -1 before there is one */
  int *mounts;        /* opened for later steps, by number; -1 once attached */
  uint32_t mount_count;
  pid_t pid; /* on the host, once asked for */
  int listener; /* for seccomp's questions; -1: none */
};

/* Tells the shim; with wait, returns its answer (0 otherwise). Does not return when the answer is to end. */
int child_tell(struct child_context *context, enum message_kind kind, const char *text, int fd, bool wait);
/* Tells of the recorded failure and ends. */
_Noreturn void child_fail(struct child_context *context);

/* ---- paths.c: everything inside a root is found from its handle, with links kept inside it */

/* Opens a path of a root; -1 with errno. */
int path_open(int root, const char *path, int flags);
/* Opens it without following any link. */
int path_open_plain(int root, const char *path, int flags);
/* Opens a path (O_PATH), made when missing together with the directories above: as a directory, or as an empty file. */
int path_make(int root, const char *path, bool directory, unsigned mode);
/* Opens (O_PATH) the directory that the last name of a path is in, made when missing; that name in *name. */
int path_parent(int root, const char *path, const char **name);

/* ---- mounts.c */

/* A procfs of the process's own, that nobody can have tampered with; -1 with the failure recorded. */
int own_proc(void);
/* In another pid namespace it is another one. */
void own_proc_forget(void);
int file_system_type(int fd, long *type);
/* Puts a mount that is not attached yet at an open target. */
int attach_mount(int mount, int target);

struct bind_step;
/* The source of a bind (O_PATH). */
int open_source(const struct bind_step *step);
/* A copy of the mount at an open source, with the step's attributes, not attached yet. */
int open_bind(int source, const struct bind_step *step);
/* A mount inside a procfs is refused unless over_proc. */
int check_target(int target, const char *path, bool over_proc);

/* ---- copy.c */

/* Copies what one open directory has into another, with owners, modes, times and extended attributes. */
int copy_files(int from, int to);

/* ---- root.c */

struct root_overlay_step;
/* The mount that a directory lies on gets nothing from the host and gives nothing. */
int isolate(const char *directory);
int mount_overlay(const struct root_overlay_step *step);
/* The root from here on is what is mounted there. */
int take_root(struct child_context *context, const char *target);

/* ---- namespaces.c */

/* The process's id on the host, asked for once. */
int child_learn_pid(struct child_context *context);

/* ---- userns.c */

/* A user namespace with these maps; its descriptor, -1 with the failure recorded. */
int make_user_namespace(const char *uids, const char *gids);

#endif
