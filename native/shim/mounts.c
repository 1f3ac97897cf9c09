/* Mounts inside the container's mount namespace. Sources and targets are descriptors when they are used: no path is walked twice. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "steps.generated.h"

static int set_attributes(int fd, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation) {
  struct mount_attributes attributes = {.set = set, .clear = clear, .propagation = propagation};
  if (set == 0 && clear == 0 && propagation == 0)
    return 0;
  if (syscall(CALL_MOUNT_SETATTR, fd, "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes) < 0)
    return fail("change mount attributes");
  return 0;
}

/* MS_PRIVATE, …, with MS_REC for the whole tree. */
static int set_propagation(int fd, uint32_t propagation) {
  return set_attributes(fd, (propagation & MS_REC) != 0 ? WHOLE_TREE : 0, 0, 0, propagation & ~(uint32_t)MS_REC);
}

int attach_mount(int mount, int target) {
  struct stat ours, place;
  if (syscall(CALL_MOVE_MOUNT, mount, "", target, "", FROM_DESCRIPTOR | TO_DESCRIPTOR) == 0)
    return 0;
  fail("attach the mount");
  /* mount(2) says ENOTDIR when a file meets a directory; people are told so. */
  if (failure.error == EINVAL && fstat(mount, &ours) == 0 && fstat(target, &place) == 0 &&
      S_ISDIR(ours.st_mode) != S_ISDIR(place.st_mode))
    failure.error = ENOTDIR;
  return -1;
}

int file_system_type(int fd, long *type) {
  struct statfs status;
  if (fstatfs(fd, &status) < 0)
    return fail("fstatfs");
  *type = (long)status.f_type;
  return 0;
}

/* ---- new file systems */

/* The kernel's own words about what it refused, where the file system has any. */
static int fail_mount(int context, const char *type, const char *what) {
  char text[256];
  int error = errno;
  ssize_t length = read(context, text, sizeof text - 1);
  if (length <= 0)
    return fail_with(error, "mount %s: %s", type, what);
  text[length] = 0;
  text[strcspn(text, "\n")] = 0;
  return fail_with(error, "mount %s: %s: %s", type, what, text + (strncmp(text, "e ", 2) == 0 ? 2 : 0));
}

static int set_option(int context, const char *type, const char *option) {
  char name[256];
  const char *value = strchr(option, '=');
  int result;
  if (value == NULL) {
    result = (int)syscall(CALL_FSCONFIG, context, CONTEXT_FLAG, option, NULL, 0);
  } else {
    snprintf(name, sizeof name, "%.*s", (int)(value - option), option);
    result = (int)syscall(CALL_FSCONFIG, context, CONTEXT_STRING, name, value + 1, 0);
  }
  return result < 0 ? fail_mount(context, type, option) : 0;
}

/* Returns a mount that is not attached yet. */
static int new_mount(const char *type, const char *source, struct strings options, const char *more, uint32_t attributes) {
  int context = (int)syscall(CALL_FSOPEN, type, CONTEXT_CLOEXEC);
  if (context < 0)
    return fail("mount %s", type);
  int mount = -1;
  bool refused = source[0] != 0 && syscall(CALL_FSCONFIG, context, CONTEXT_STRING, "source", source, 0) < 0;
  if (refused)
    fail_mount(context, type, source);
  for (const char *option; !refused && (option = strings_next(&options)) != NULL;)
    refused = set_option(context, type, option) < 0;
  if (!refused && more[0] != 0)
    refused = set_option(context, type, more) < 0;
  if (!refused && syscall(CALL_FSCONFIG, context, CONTEXT_CREATE, NULL, NULL, 0) < 0) {
    fail_mount(context, type, "create");
  } else if (!refused) {
    mount = (int)syscall(CALL_FSMOUNT, context, CONTEXT_CLOEXEC, attributes);
    if (mount < 0)
      fail_mount(context, type, "mount");
  }
  close(context);
  return mount;
}

static int own_proc_fd = -1;

int own_proc(void) {
  if (own_proc_fd < 0)
    own_proc_fd = new_mount("proc", "proc", (struct strings){0}, "", ATTRIBUTE_NO_SUID | ATTRIBUTE_NO_DEVICES | ATTRIBUTE_NO_EXEC);
  return own_proc_fd;
}

void own_proc_forget(void) {
  if (own_proc_fd >= 0)
    close(own_proc_fd);
  own_proc_fd = -1;
}

/* proc and sysfs on a link would put the paths that are masked later elsewhere (CVE-2019-19921). */
static int open_target(struct child_context *context, const struct mount_step *step) {
  int target = path_make(context->root, step->target, true, 0755);
  if (target < 0 || (strcmp(step->type, "proc") != 0 && strcmp(step->type, "sysfs") != 0))
    return target;
  close(target);
  target = path_open_plain(context->root, step->target, O_PATH | O_DIRECTORY);
  return target < 0 ? fail("%s must be mounted on an ordinary directory, %s is not one", step->type, step->target) : target;
}

/* A tmpfs over a directory of the image looks like it, unless its mode was given. */
static void mode_option(const struct mount_step *step, int target, char *option, size_t size) {
  struct strings options = step->options;
  struct stat status;
  option[0] = 0;
  for (const char *each; (each = strings_next(&options)) != NULL;)
    if (strncmp(each, "mode=", 5) == 0)
      return;
  if (strcmp(step->type, "tmpfs") == 0 && fstat(target, &status) == 0)
    snprintf(option, size, "mode=%o", status.st_mode & 07777);
}

static int mount_at_target(struct child_context *context, const struct mount_step *step, bool copied) {
  char mode[32];
  int target = open_target(context, step);
  if (target < 0)
    return -1;
  mode_option(step, target, mode, sizeof mode);
  /* A read-only one could not be filled. */
  uint32_t attributes = copied ? step->attributes & ~(uint32_t)ATTRIBUTE_READ_ONLY : step->attributes;
  int mount = new_mount(step->type, step->source, step->options, mode, attributes);
  int result = mount < 0 ? -1 : 0;
  if (result == 0 && copied)
    result = copy_files(target, mount);
  if (result == 0 && attributes != step->attributes)
    result = set_attributes(mount, 0, ATTRIBUTE_READ_ONLY, 0, 0);
  if (result == 0)
    result = set_propagation(mount, step->propagation);
  if (result == 0)
    result = attach_mount(mount, target);
  if (mount >= 0)
    close(mount);
  close(target);
  return result;
}

int child_mount(struct child_context *context, const struct mount_step *step) {
  return mount_at_target(context, step, false);
}

int child_mount_copied(struct child_context *context, const struct mount_copied_step *step) {
  const struct mount_step mount = {
      .type = step->type,
      .source = step->source,
      .target = step->target,
      .attributes = step->attributes,
      .options = step->options,
      .propagation = step->propagation,
  };
  return mount_at_target(context, &mount, true);
}

/* ---- binds */

/* A copy of the mount tree at an open path, not attached yet. */
static int copy_tree(int fd, bool recursive) {
  unsigned flags = TREE_COPY | TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? WHOLE_TREE : 0);
  return (int)syscall(CALL_OPEN_TREE, fd, "", flags);
}

int open_source(const struct bind_step *step) {
  int source = open(step->source, O_PATH | O_CLOEXEC);
  if (source < 0)
    return fail("bind source path does not exist: %s", step->source);
  if (step->below[0] == 0)
    return source;
  int below = path_open(source, step->below, O_PATH);
  if (below < 0 && errno == ENOENT)
    below = path_make(source, step->below, true, 0750);
  else if (below < 0)
    fail("open %s in %s", step->below, step->source);
  close(source);
  return below;
}

/* A mount inside a procfs hides what the masks are for, but for single files that are known to be harmless (the planner's list). */
int check_target(int target, const char *path, bool over_proc) {
  long type = 0;
  if (over_proc)
    return 0;
  if (file_system_type(target, &type) < 0)
    return -1;
  return type == PROC_SUPER_MAGIC ? fail_with(EPERM, "%s cannot be mounted because it is inside a procfs", path) : 0;
}

int open_bind(int source, const struct bind_step *step) {
  int tree = copy_tree(source, step->recursive != 0);
  if (tree < 0)
    return fail("bind %s", step->source);
  int result = set_attributes(tree, 0, step->set, step->clear, 0);
  if (result == 0)
    result = set_attributes(tree, WHOLE_TREE, step->set_below, step->clear_below, 0);
  if (result == 0)
    result = set_propagation(tree, step->propagation);
  if (result == 0)
    return tree;
  close(tree);
  return -1;
}

static int bind_tree(int source, int target, const struct bind_step *step) {
  int tree = open_bind(source, step);
  if (tree < 0)
    return -1;
  int result = attach_mount(tree, target);
  close(tree);
  return result;
}

int child_bind(struct child_context *context, const struct bind_step *step) {
  struct stat status;
  int source = open_source(step);
  if (source < 0)
    return -1;
  int target = -1, result = -1;
  if (fstat(source, &status) < 0)
    fail("stat %s", step->source);
  else
    target = path_make(context->root, step->target, S_ISDIR(status.st_mode), 0755);
  if (target >= 0 && check_target(target, step->target, step->over_proc != 0) == 0)
    result = bind_tree(source, target, step);
  if (target >= 0)
    close(target);
  close(source);
  return result;
}

int child_remount(struct child_context *context, const struct remount_step *step) {
  int target = path_open(context->root, step->target, O_PATH);
  if (target < 0)
    return fail("open %s", step->target);
  int result = set_attributes(target, step->recursive != 0 ? WHOLE_TREE : 0, step->set, step->clear, 0);
  if (result == 0)
    result = set_propagation(target, step->propagation);
  close(target);
  return result;
}

/* ---- hiding and protecting */

/* The host's null device, opened before the root changes; read-only as a mount, so that its own mode cannot be changed through it. */
static int null_device(void) {
  struct stat status;
  int null = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
  if (null < 0)
    return fail("open /dev/null");
  if (fstat(null, &status) < 0 || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3)) {
    close(null);
    return fail_with(EINVAL, "/dev/null of the host is not the null device");
  }
  int tree = copy_tree(null, false);
  close(null);
  if (tree < 0)
    return fail("bind /dev/null");
  if (set_attributes(tree, 0, ATTRIBUTE_READ_ONLY | ATTRIBUTE_NO_SUID | ATTRIBUTE_NO_EXEC, 0, 0) < 0) {
    close(tree);
    return -1;
  }
  return tree;
}

int child_mask(struct child_context *context, const struct mask_step *step) {
  struct stat status;
  int target = path_open(context->root, step->path, O_PATH);
  if (target < 0)
    return errno == ENOENT || errno == ENOTDIR ? 0 : fail("mask %s", step->path);
  int cover = -1;
  if (fstat(target, &status) < 0)
    fail("stat %s", step->path);
  else if (S_ISDIR(status.st_mode))
    cover = new_mount("tmpfs", "tmpfs", (struct strings){0}, "nr_inodes=2",
                      ATTRIBUTE_READ_ONLY | ATTRIBUTE_NO_SUID | ATTRIBUTE_NO_DEVICES | ATTRIBUTE_NO_EXEC);
  else
    cover = null_device();
  int result = cover < 0 ? -1 : attach_mount(cover, target);
  if (cover >= 0)
    close(cover);
  close(target);
  return result;
}

int child_read_only(struct child_context *context, const struct read_only_step *step) {
  int target = path_open(context->root, step->path, O_PATH);
  if (target < 0)
    return errno == ENOENT || errno == ENOTDIR ? 0 : fail("make %s read-only", step->path);
  int tree = copy_tree(target, true);
  int result = tree < 0 ? fail("bind %s", step->path) : set_attributes(tree, 0, ATTRIBUTE_READ_ONLY, 0, 0);
  if (result == 0)
    result = attach_mount(tree, target);
  if (tree >= 0)
    close(tree);
  close(target);
  return result;
}

/* ---- files */

int child_mkdir(struct child_context *context, const struct mkdir_step *step) {
  int directory = path_make(context->root, step->path, true, step->mode);
  if (directory < 0)
    return -1;
  close(directory);
  return 0;
}

static int same_device(int parent, const char *name, const struct mknod_step *step) {
  struct stat status;
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
    return fail("stat %s", step->path);
  bool same = (status.st_mode & S_IFMT) == (step->mode & S_IFMT) && status.st_rdev == makedev(step->major, step->minor);
  return same ? 0 : fail_with(EEXIST, "make device %s: something else is there", step->path);
}

int child_mknod(struct child_context *context, const struct mknod_step *step) {
  const char *name;
  int parent = path_parent(context->root, step->path, &name);
  if (parent < 0)
    return -1;
  int result = 0;
  if (mknodat(parent, name, step->mode, makedev(step->major, step->minor)) < 0)
    result = errno == EEXIST ? same_device(parent, name, step) : fail("make device %s", step->path);
  else if (fchownat(parent, name, step->uid, step->gid, AT_SYMLINK_NOFOLLOW) < 0)
    result = fail("change the owner of %s", step->path);
  close(parent);
  return result;
}

int child_symlink(struct child_context *context, const struct symlink_step *step) {
  const char *name;
  int parent = path_parent(context->root, step->path, &name);
  if (parent < 0)
    return -1;
  int result = symlinkat(step->target, parent, name) < 0 && errno != EEXIST ? fail("link %s", step->path) : 0;
  close(parent);
  return result;
}
