/* Copies a tree of files from descriptor to descriptor; no link is followed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "child.h"

#define MOST_DEPTH 128
#define NAMES_BYTES 4096
#define VALUE_BYTES 65536

/* What the file system copied to does not keep is left out, as with cp -a. */
static void copy_attributes(int from, int to) {
  static char names[NAMES_BYTES], value[VALUE_BYTES];
  ssize_t length = flistxattr(from, names, sizeof names);
  for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
    ssize_t size = fgetxattr(from, name, value, sizeof value);
    if (size >= 0)
      fsetxattr(to, name, value, (size_t)size, 0);
  }
}

static int copy_owner(int directory, const char *name, const struct stat *status) {
  struct timespec times[2] = {status->st_atim, status->st_mtim};
  if (fchownat(directory, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
    return fail("change the owner of %s", name);
  if (!S_ISLNK(status->st_mode) && fchmodat(directory, name, status->st_mode & 07777, 0) < 0)
    return fail("change the mode of %s", name);
  return utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail("change the times of %s", name) : 0;
}

static int copy_content(int from, int to, const char *name) {
  for (;;) {
    ssize_t length = sendfile(to, from, NULL, 1 << 30);
    if (length == 0)
      return 0;
    if (length < 0 && errno != EINTR)
      return fail("copy %s", name);
  }
}

static int copy_file(int from, int to, const char *name) {
  int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (source < 0)
    return fail("open %s", name);
  int made = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int result = made < 0 ? fail("make %s", name) : copy_content(source, made, name);
  if (result == 0)
    copy_attributes(source, made);
  if (made >= 0)
    close(made);
  close(source);
  return result;
}

static int copy_link(int from, int to, const char *name) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0)
    return fail("read link %s", name);
  target[length] = 0;
  return symlinkat(target, to, name) < 0 ? fail("link %s", name) : 0;
}

static int copy_directory(int from, int to, int depth);

static int copy_folder(int from, int to, const char *name, int depth) {
  if (mkdirat(to, name, 0700) < 0)
    return fail("make %s", name);
  int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int result = source < 0 || made < 0 ? fail("open %s", name) : copy_directory(source, made, depth + 1);
  if (result == 0)
    copy_attributes(source, made);
  if (made >= 0)
    close(made);
  if (source >= 0)
    close(source);
  return result;
}

static int copy_entry(int from, int to, const char *name, int depth) {
  struct stat status;
  if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
    return fail("stat %s", name);
  int result;
  if (S_ISDIR(status.st_mode))
    result = copy_folder(from, to, name, depth);
  else if (S_ISLNK(status.st_mode))
    result = copy_link(from, to, name);
  else if (S_ISREG(status.st_mode))
    result = copy_file(from, to, name);
  else
    result = mknodat(to, name, status.st_mode, status.st_rdev) < 0 ? fail("make %s", name) : 0;
  return result < 0 ? -1 : copy_owner(to, name, &status);
}

static int copy_directory(int from, int to, int depth) {
  if (depth > MOST_DEPTH)
    return fail_with(ELOOP, "directories are more than %d deep", MOST_DEPTH);
  int own = fcntl(from, F_DUPFD_CLOEXEC, 3);
  DIR *directory = own < 0 ? NULL : fdopendir(own);
  if (directory == NULL) {
    if (own >= 0)
      close(own);
    return fail("read a directory");
  }
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      result = copy_entry(from, to, entry->d_name, depth);
  closedir(directory);
  return result;
}

int copy_files(int from, int to) {
  struct stat status;
  int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (source < 0)
    return fail("open a directory to copy");
  int result = copy_directory(source, to, 0);
  if (result == 0 && fstat(source, &status) == 0 && fchownat(to, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) < 0)
    result = fail("change an owner");
  close(source);
  return result;
}
