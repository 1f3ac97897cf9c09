/* Mounts that are opened with the host's rights and attached later, in another mount namespace: user namespaces, mapped ids. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"
#include "steps.generated.h"

enum map { MAP_NONE, MAP_CONTAINER, MAP_OWN };

static int keep_mount(struct child_context *context, int mount) {
  int *mounts = realloc(context->mounts, (context->mount_count + 1) * sizeof *mounts);
  if (mounts == NULL) {
    close(mount);
    return fail_with(ENOMEM, "no memory for mounts");
  }
  context->mounts = mounts;
  mounts[context->mount_count++] = mount;
  return 0;
}

/* -1 once it is taken. */
static int take_mount(struct child_context *context, uint32_t number) {
  if (number >= context->mount_count || context->mounts[number] < 0)
    return fail_with(EINVAL, "no mount %u is open", number);
  int mount = context->mounts[number];
  context->mounts[number] = -1;
  return mount;
}

/* Ids as a user namespace has them (Linux 5.12; each file system on its own, overlays of such layers since 5.19). */
static int map_ids(int tree, int user_namespace, bool below, const char *what) {
  struct mount_attributes attributes = {.set = ATTRIBUTE_MAPPED, .userns = (uint64_t)user_namespace};
  if (user_namespace < 0)
    return fail_with(EINVAL, "no user namespace to map the ids of %s", what);
  if (syscall(CALL_MOUNT_SETATTR, tree, "", AT_EMPTY_PATH | (below ? WHOLE_TREE : 0), &attributes, sizeof attributes) == 0)
    return 0;
  return fail(errno == EINVAL ? "map the ids of %s: its file system does not support that on this kernel" : "map the ids of %s", what);
}

static int map_tree(struct child_context *context, int tree, const struct open_tree_step *step) {
  if (step->map == MAP_NONE)
    return 0;
  if (step->map == MAP_CONTAINER)
    return map_ids(tree, context->user_namespace, step->map_below != 0, step->source);
  int own = make_user_namespace(step->uids, step->gids);
  if (own < 0)
    return -1;
  int result = map_ids(tree, own, step->map_below != 0, step->source);
  close(own);
  return result;
}

int child_open_tree(struct child_context *context, const struct open_tree_step *step) {
  const struct bind_step bind = {
      .source = step->source,
      .below = step->below,
      .set = step->set,
      .clear = step->clear,
      .set_below = step->set_below,
      .clear_below = step->clear_below,
      .propagation = step->propagation,
      .recursive = step->recursive,
  };
  int source = open_source(&bind);
  if (source < 0)
    return -1;
  int tree = open_bind(source, &bind);
  close(source);
  if (tree < 0)
    return -1;
  if (map_tree(context, tree, step) < 0) {
    close(tree);
    return -1;
  }
  return keep_mount(context, tree);
}

/* A directory with mapped ids over itself: an overlay takes its layers from where they are mounted. */
static int map_directory(struct child_context *context, const char *layer) {
  char path[PATH_MAX];
  int tree = realpath(layer, path) == NULL ? -1 : (int)syscall(CALL_OPEN_TREE, AT_FDCWD, path, TREE_COPY | TREE_CLOEXEC);
  if (tree < 0)
    return fail("open layer %s", layer);
  int result = map_ids(tree, context->user_namespace, false, path);
  if (result == 0)
    result = isolate(path);
  if (result == 0 && syscall(CALL_MOVE_MOUNT, tree, "", AT_FDCWD, path, FROM_DESCRIPTOR) < 0)
    result = fail("mount layer %s", path);
  close(tree);
  return result;
}

/* They were needed to mount the overlay only, and may hide what other steps want. */
static void unmap_layers(const struct open_overlay_step *step, const char *above) {
  struct strings lower = step->lower;
  umount2(above, MNT_DETACH);
  for (const char *layer; (layer = strings_next(&lower)) != NULL;)
    umount2(layer, MNT_DETACH);
}

static int map_layers(struct child_context *context, const struct open_overlay_step *step, char *above, size_t size) {
  struct strings lower = step->lower;
  for (const char *layer; (layer = strings_next(&lower)) != NULL;)
    if (map_directory(context, layer) < 0)
      return -1;
  snprintf(above, size, "%s", step->upper);
  char *slash = strrchr(above, '/');
  size_t length = slash == NULL ? 0 : (size_t)(slash - above);
  if (length == 0 || strncmp(step->work, above, length + 1) != 0 || strchr(step->work + length + 1, '/') != NULL)
    return fail_with(EINVAL, "the upper and the work directory of an overlay must lie in one directory");
  *slash = 0;
  return map_directory(context, above);
}

/* A change of the file system's user takes capabilities away that are still permitted. */
static int take_ids(uid_t uid, gid_t gid) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  setfsgid(gid);
  setfsuid(uid);
  if (syscall(SYS_capget, &header, data) < 0)
    return fail("get capabilities");
  for (int half = 0; half < 2; half++)
    data[half].effective = data[half].permitted;
  return syscall(SYS_capset, &header, data) < 0 ? fail("set capabilities") : 0;
}

/* The overlay makes files of its own in layers where the host's root has no id: as the one who mounts it. */
static int mount_as(uid_t uid, gid_t gid, const struct root_overlay_step *overlay) {
  if (take_ids(uid, gid) < 0)
    return -1;
  int result = mount_overlay(overlay);
  return take_ids(0, 0) < 0 ? -1 : result;
}

int child_open_overlay(struct child_context *context, const struct open_overlay_step *step) {
  char above[PATH_MAX];
  if (map_layers(context, step, above, sizeof above) < 0)
    return -1;
  const struct root_overlay_step overlay = {
      .lower = step->lower, .upper = step->upper, .work = step->work, .target = above, .options = step->options};
  if (mount_as(step->uid, step->gid, &overlay) < 0)
    return failure.error == EINVAL ? fail_with(EINVAL, "mount an overlay of layers with mapped ids (needs Linux 5.19)") : -1;
  int tree = (int)syscall(CALL_OPEN_TREE, AT_FDCWD, above, TREE_COPY | TREE_CLOEXEC);
  if (tree < 0)
    return fail("open the overlay");
  umount2(above, MNT_DETACH);
  unmap_layers(step, above);
  return keep_mount(context, tree);
}

int child_root_attach(struct child_context *context, const struct root_attach_step *step) {
  int tree = take_mount(context, step->mount);
  if (tree < 0)
    return -1;
  int result = isolate(step->target);
  if (result == 0 && syscall(CALL_MOVE_MOUNT, tree, "", AT_FDCWD, step->target, FROM_DESCRIPTOR) < 0)
    result = fail("mount root at %s", step->target);
  close(tree);
  return result < 0 ? -1 : take_root(context, step->target);
}

int child_attach(struct child_context *context, const struct attach_step *step) {
  struct stat status;
  int tree = take_mount(context, step->mount);
  if (tree < 0)
    return -1;
  int result = -1, target = -1;
  if (fstat(tree, &status) < 0)
    fail("stat the mount for %s", step->target);
  else
    target = path_make(context->root, step->target, S_ISDIR(status.st_mode), 0755);
  if (target >= 0 && check_target(target, step->target, step->over_proc != 0) == 0)
    result = attach_mount(tree, target);
  if (target >= 0)
    close(target);
  close(tree);
  return result;
}

/* ---- devices */

static bool is_device(int fd, const struct bind_device_step *step) {
  struct stat status;
  return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == (step->mode & S_IFMT) &&
         status.st_rdev == makedev(step->major, step->minor);
}

static int open_device(const char *path, const struct bind_device_step *step) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd >= 0 && is_device(fd, step))
    return fd;
  if (fd >= 0)
    close(fd);
  return -1;
}

/* Where the kernel says that the device has its node: the line DEVNAME=tty of its uevent file. */
static int find_device(const struct bind_device_step *step) {
  char path[300], text[4096];
  snprintf(path, sizeof path, "/sys/dev/%s/%u:%u/uevent", S_ISBLK(step->mode) ? "block" : "char", step->major, step->minor);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0)
    close(fd);
  if (length < 0)
    return -1;
  text[length] = 0;
  for (char *save = NULL, *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
    if (strncmp(line, "DEVNAME=", 8) != 0)
      continue;
    snprintf(path, sizeof path, "/dev/%.256s", line + 8);
    return open_device(path, step);
  }
  return -1;
}

int child_bind_device(struct child_context *context, const struct bind_device_step *step) {
  int source = open_device(step->path, step);
  if (source < 0)
    source = find_device(step);
  if (source < 0)
    return fail_with(ENODEV, "device %s (%u:%u) has no node on the host", step->path, step->major, step->minor);
  const struct bind_step bind = {.source = step->path, .below = ""};
  int tree = open_bind(source, &bind);
  close(source);
  if (tree < 0)
    return -1;
  int target = path_make(context->root, step->path, false, 0666);
  int result = target < 0 ? -1 : attach_mount(tree, target);
  if (target >= 0)
    close(target);
  close(tree);
  return result;
}
