/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files, read with a limit and replaced atomically. */
#ifndef ENVELOPE_FILE_H
#define ENVELOPE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/**
 * envelope_file_read() - the whole file
 * @limit: bytes; a larger file gives -EFBIG
 * @size:  may be NULL
 *
 * Return: malloc'ed, NUL-terminated text in @text; 0 or -errno. Not for secrets.
 */
int envelope_file_read(const char *path, size_t limit, char **text, size_t *size);

/**
 * envelope_file_replace() - write to a temporary, fsync, rename, fsync the directory
 * @mode: of the new file
 *
 * After power loss at any point the path holds the old content or the new. Return: 0 or -errno.
 */
int envelope_file_replace(const char *path, const void *data, size_t size, mode_t mode);

/** envelope_file_sync() - fsync a file that is there, and its directory */
int envelope_file_sync(const char *path);

/** envelope_file_rename() - over what was there, within a directory, and fsync that directory */
int envelope_file_rename(const char *from, const char *to);

/** envelope_file_remove() - unlink and fsync the directory; a missing file is no error */
int envelope_file_remove(const char *path);

/**
 * envelope_file_list() - what the files of a directory are called that end in @suffix, without it
 * @wanted: which of these
 * @names:  malloc'ed array of malloc'ed names, sorted, NULL-terminated
 *
 * Return: how many there are: none where there is no directory; or -errno.
 */
int envelope_file_list(const char *directory, const char *suffix, int (*wanted)(const char *name),
		       char ***names);

/** envelope_file_mkdir() - like mkdir -p for the last component; an existing one is fine */
int envelope_file_mkdir(const char *path, mode_t mode);

#endif
