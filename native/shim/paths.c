/*
 * Paths inside a container: every one is opened relative to the handle of its root with openat2(IN_ROOT), so that no
 * link, and no race with one, leads out of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "kernel.h"

#define MOST_LINKS 40
#define MOST_RACES 128

static int open_scoped(int root, const char *path, int flags, uint64_t resolve) {
  struct open_arguments how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve};
  int fd;
  /* EAGAIN: a rename somewhere raced with the walk, and the kernel cannot say that it stayed inside. */
  for (int race = 0; race < MOST_RACES; race++) {
    fd = (int)syscall(CALL_OPENAT2, root, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN)
      break;
  }
  return fd;
}

int path_open(int root, const char *path, int flags) {
  return open_scoped(root, path, flags, IN_ROOT | NO_MAGIC_LINKS);
}

int path_open_plain(int root, const char *path, int flags) {
  return open_scoped(root, path, flags, IN_ROOT | NO_LINKS);
}

static int make(int root, const char *path, bool directory, unsigned mode, int links);

/* A link that leads nowhere is in the way: what it names is made, still inside the root. */
static int make_behind_link(int root, int parent, const char *prefix, const char *name, const char *rest, bool directory,
                            unsigned mode, int links) {
  char target[PATH_MAX], path[PATH_MAX];
  ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
  if (length < 0)
    return fail("make %s/%s", prefix, name);
  target[length] = 0;
  if (links >= MOST_LINKS)
    return fail_with(ELOOP, "make %s/%s", prefix, name);
  int written = snprintf(path, sizeof path, "%s%s%s/%s", target[0] == '/' ? "" : prefix, target[0] == '/' ? "" : "/", target, rest);
  if (written < 0 || (size_t)written >= sizeof path)
    return fail_with(ENAMETOOLONG, "make %s/%s", prefix, name);
  return make(root, path, directory, mode, links + 1);
}

static int make_entry(int parent, const char *name, bool directory, unsigned mode) {
  return directory ? mkdirat(parent, name, mode) : mknodat(parent, name, S_IFREG | mode, 0);
}

/* Goes down the path name by name, making what is missing. */
static int make(int root, const char *path, bool directory, unsigned mode, int links) {
  char prefix[PATH_MAX] = "", name[NAME_MAX + 1];
  int parent = fcntl(root, F_DUPFD_CLOEXEC, 3);
  for (const char *at = path; parent >= 0;) {
    at += strspn(at, "/");
    size_t length = strcspn(at, "/");
    if (length == 0)
      return parent;
    if (length > NAME_MAX || strlen(prefix) + length + 2 > sizeof prefix) {
      close(parent);
      return fail_with(ENAMETOOLONG, "make %s", path);
    }
    memcpy(name, at, length);
    name[length] = 0;
    at += length;
    const char *rest = at + strspn(at, "/");
    char here[PATH_MAX];
    snprintf(here, sizeof here, "%.*s/%s", (int)(sizeof here - length - 2), prefix, name);
    bool last = *rest == 0, is_directory = !last || directory;
    int next = path_open(root, here, O_PATH | (is_directory ? O_DIRECTORY : 0));
    if (next < 0 && errno == ENOENT) {
      if (make_entry(parent, name, is_directory, mode) == 0) {
        next = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_directory ? O_DIRECTORY : 0));
      } else if (errno == EEXIST) {
        next = make_behind_link(root, parent, prefix, name, rest, directory, mode, links);
        close(parent);
        return next;
      }
    }
    if (next < 0)
      fail("make %s", here);
    close(parent);
    parent = next;
    snprintf(prefix, sizeof prefix, "%s", here);
  }
  return parent;
}

int path_make(int root, const char *path, bool directory, unsigned mode) {
  return make(root, path, directory, mode, 0);
}

int path_parent(int root, const char *path, const char **name) {
  char above[PATH_MAX];
  const char *slash = strrchr(path, '/');
  *name = slash == NULL ? path : slash + 1;
  size_t length = slash == NULL ? 0 : (size_t)(slash - path);
  if (**name == 0 || strcmp(*name, "..") == 0 || strcmp(*name, ".") == 0 || length >= sizeof above)
    return fail_with(EINVAL, "%s cannot be made", path);
  memcpy(above, path, length);
  above[length] = 0;
  return path_make(root, above, true, 0755);
}
