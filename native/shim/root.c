/* The container's root: an overlay or a bind, pivoted into. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "steps.generated.h"

/* mount(2) takes one page of options. */
#define OPTION_BYTES 4096

int child_propagation(struct child_context *context, const struct propagation_step *step) {
  (void)context;
  return mount(NULL, "/", NULL, step->flags, NULL) < 0 ? fail("change the propagation of /") : 0;
}

/* The mount that a directory lies on gets nothing from the host and gives nothing: what is mounted below it is ours alone. */
int isolate(const char *directory) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", directory);
  for (;;) {
    if (mount(NULL, path, NULL, MS_PRIVATE, NULL) == 0)
      return 0;
    char *slash = strrchr(path, '/');
    if (errno != EINVAL || slash == NULL || strcmp(path, "/") == 0)
      return fail("isolate the mount of %s", directory);
    *(slash == path ? slash + 1 : slash) = 0;
  }
}

int take_root(struct child_context *context, const char *target) {
  context->root = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return context->root < 0 ? fail("open root %s", target) : 0;
}

/*
 * An overlay's directories are named by the numbers of their descriptors, relative to /proc/self/fd: short (a page of options holds
 * hundreds of layers), without characters to escape, and nothing of the host's for the container to read in its mount table.
 */
struct layers {
  char options[OPTION_BYTES];
  size_t length;
  int *fds;
  uint32_t count;
};

static int add_text(struct layers *layers, const char *text) {
  size_t room = sizeof layers->options - layers->length;
  int written = snprintf(layers->options + layers->length, room, "%s", text);
  if ((size_t)written >= room)
    return fail_with(E2BIG, "an overlay of %u layers is too large", layers->count);
  layers->length += (size_t)written;
  return 0;
}

static int add_directory(struct layers *layers, const char *before, const char *path) {
  char number[16];
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return fail("open layer %s", path);
  layers->fds[layers->count++] = fd;
  snprintf(number, sizeof number, "%d", fd);
  return add_text(layers, before) < 0 ? -1 : add_text(layers, number);
}

static int add_all(struct layers *layers, const struct root_overlay_step *step) {
  const char *before = "lowerdir=";
  struct strings lower = step->lower;
  for (const char *layer; (layer = strings_next(&lower)) != NULL; before = ":")
    if (add_directory(layers, before, layer) < 0)
      return -1;
  if (add_directory(layers, ",upperdir=", step->upper) < 0 || add_directory(layers, ",workdir=", step->work) < 0)
    return -1;
  if (step->options[0] == 0)
    return 0;
  return add_text(layers, ",") < 0 ? -1 : add_text(layers, step->options);
}

static int mount_layers(const struct layers *layers, const char *target) {
  if (chdir("/proc/self/fd") < 0)
    return fail("chdir /proc/self/fd");
  int result = mount("overlay", target, "overlay", 0, layers->options) < 0 ? fail("mount overlay") : 0;
  return chdir("/") < 0 ? fail("chdir /") : result;
}

int mount_overlay(const struct root_overlay_step *step) {
  struct layers layers = {.length = 0};
  if ((layers.fds = calloc((size_t)step->lower.count + 2, sizeof *layers.fds)) == NULL)
    return fail_with(ENOMEM, "no memory for layers");
  int result = add_all(&layers, step);
  if (result == 0)
    result = isolate(step->target);
  if (result == 0)
    result = mount_layers(&layers, step->target);
  for (uint32_t index = 0; index < layers.count; index++)
    close(layers.fds[index]);
  free(layers.fds);
  return result;
}

int child_root_overlay(struct child_context *context, const struct root_overlay_step *step) {
  return mount_overlay(step) < 0 ? -1 : take_root(context, step->target);
}

int child_root_bind(struct child_context *context, const struct root_bind_step *step) {
  int tree = (int)syscall(CALL_OPEN_TREE, AT_FDCWD, step->source, TREE_COPY | TREE_CLOEXEC | WHOLE_TREE);
  if (tree < 0)
    return fail("bind root %s", step->source);
  /* pivot_root wants a root that is not shared; its propagation is set afterwards. */
  struct mount_attributes unshared = {.propagation = MS_PRIVATE};
  int result = syscall(CALL_MOUNT_SETATTR, tree, "", AT_EMPTY_PATH, &unshared, sizeof unshared) < 0 ? fail("isolate root") : 0;
  if (result == 0)
    result = isolate(step->target);
  if (result == 0 && syscall(CALL_MOVE_MOUNT, tree, "", AT_FDCWD, step->target, FROM_DESCRIPTOR) < 0)
    result = fail("mount root at %s", step->target);
  close(tree);
  return result < 0 ? -1 : take_root(context, step->target);
}

int child_root_empty(struct child_context *context, const struct root_empty_step *step) {
  if (isolate(step->target) < 0)
    return -1;
  if (mount("tmpfs", step->target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,nr_inodes=16") < 0)
    return fail("mount an empty root");
  return take_root(context, step->target);
}

int child_root_joined(struct child_context *context) {
  return take_root(context, "/");
}

/* pivot_root(2): old and new root at one place, then the old one is let go of without a trace of it reaching the host. */
int child_pivot(struct child_context *context) {
  int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (old < 0)
    return fail("open /");
  int result = 0;
  if (fchdir(context->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
    result = fail("pivot_root");
  else if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
    result = fail("isolate the old root");
  else if (umount2(".", MNT_DETACH) < 0)
    result = fail("unmount the old root");
  else if (chdir("/") < 0)
    result = fail("chdir /");
  close(old);
  return result;
}

static bool is_null_device(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

int child_null_stdin(struct child_context *context) {
  for (int stream = 0; stream < 3; stream++) {
    if (!is_null_device(stream))
      continue;
    int own = path_open(context->root, "/dev/null", O_RDWR);
    if (own < 0)
      continue;
    if (is_null_device(own))
      dup2(own, stream);
    close(own);
  }
  return 0;
}

int child_sysctl(struct child_context *context, const struct sysctl_step *step) {
  (void)context;
  int proc = own_proc();
  if (proc < 0)
    return -1;
  int parameters = openat(proc, "sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (parameters < 0)
    return fail("open /proc/sys");
  int fd = path_open_plain(parameters, step->path, O_WRONLY);
  int error = errno;
  close(parameters);
  if (fd < 0)
    return fail_with(error, "open sysctl %s", step->path);
  ssize_t length = (ssize_t)strlen(step->value);
  int result = write(fd, step->value, (size_t)length) == length ? 0 : fail("write sysctl %s", step->path);
  close(fd);
  return result;
}
