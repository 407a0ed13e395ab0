/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: one stable code for each way to go wrong, shared by daemon, workers,
 * command and documentation (Documentation/errors.rst).
 */
#ifndef ENVELOPE_ERROR_H
#define ENVELOPE_ERROR_H

/*
 * X(identifier, varlink name, exit status of envelopectl, default cure)
 *
 * The order and the exit statuses are part of the interface: append only.
 */
#define ENVELOPE_ERRORS(X)                                                                         \
	X(FAILED, "Failed", 1, "see the journal of envelope-keyd")                                 \
	X(USAGE, "Usage", 2, "see envelopectl --help")                                             \
	X(NO_DAEMON, "NoDaemon", 3, "start it: systemctl start envelope-keyd")                     \
	X(PERMISSION, "Permission", 4, "run the command as root")                                  \
	X(NOT_FOUND, "NotFound", 5, "check the name")                                              \
	X(BUSY, "Busy", 6, "close or unmount what uses it")                                        \
	X(EXISTS, "Exists", 7, "choose another name")                                              \
	X(NOT_VOLUME, "NotVolume", 8, "format it first: envelopectl format DEVICE")                \
	X(HOLDS_DATA, "HoldsData", 9, "if its content may be destroyed, repeat with --force")      \
	X(HEADER_DAMAGED, "HeaderDamaged", 10,                                                     \
	  "restore a header backup: cryptsetup luksHeaderRestore")                                 \
	X(TOKEN_INVALID, "TokenInvalid", 11,                                                       \
	  "restore a header backup: cryptsetup luksHeaderRestore")                                 \
	X(SEAL_BROKEN, "SealBroken", 12,                                                           \
	  "the slot was edited or belongs to another disk; restore a header backup")               \
	X(NO_SLOT, "NoSlot", 13, "restore a header backup: cryptsetup luksHeaderRestore")          \
	X(KEK_UNDECLARED, "KekUndeclared", 14, "declare it in /etc/envelope/keks.d")               \
	X(KEK_NOT_FOUND, "KekNotFound", 15, "restore the key store from its backup")               \
	X(KEK_UNAVAILABLE, "KekUnavailable", 16, "try again when the provider answers")            \
	X(KEK_REFUSED, "KekRefused", 17, "ask whoever controls the key")                           \
	X(KEYSTORE_DAMAGED, "KeystoreDamaged", 18, "restore the key store from its backup")        \
	X(WITNESS_MISMATCH, "WitnessMismatch", 19,                                                 \
	  "the header belongs to another disk; restore this disk's own header backup")             \
	X(PIN_MISMATCH, "PinMismatch", 20,                                                         \
	  "if the volume was replaced on purpose, repeat with --accept-new")                       \
	X(NOT_PINNED, "NotPinned", 21, "if you trust this volume, repeat with --accept-new")       \
	X(WRONG_KEY, "WrongKey", 22, "restore a header backup: cryptsetup luksHeaderRestore")      \
	X(TOO_SMALL, "TooSmall", 23, "use a larger device")                                        \
	X(IO, "Io", 24, "see the kernel log for the device")                                       \
	X(NO_TARGET, "NoTarget", 25, "load the kernel module: modprobe dm_envelope")               \
	X(CONFIG, "Config", 26, "correct the file")                                                \
	X(PROTOCOL, "Protocol", 27, "restart envelope-keyd: command and daemon differ in version") \
	X(UNSUPPORTED, "Unsupported", 28, "use a newer version of dm-envelope")                    \
	X(CANCELED, "Canceled", 29, "nothing was changed")                                         \
	X(LIMIT, "Limit", 30, "remove what is not needed")

enum envelope_code {
	ENVELOPE_OK = 0,
#define X(id, name, status, cure) ENVELOPE_E_##id,
	ENVELOPE_ERRORS(X)
#undef X
		ENVELOPE_CODES
};

/**
 * struct envelope_error - what failed, and the way out
 * @code:    ENVELOPE_OK where nothing failed
 * @message: what failed, on which disk or KEK, and why; never key bytes
 * @cure:    what to do; empty means the code's default cure
 */
struct envelope_error {
	enum envelope_code code;
	char message[512];
	char cure[512];
};

/**
 * envelope_fail() - record an error
 * @e:    filled; may be NULL
 * @code: the code
 * @fmt:  printf format of the message, one line, no final stop
 *
 * Return: -@code, so that a caller can write `return envelope_fail(…)`.
 */
int envelope_fail(struct envelope_error *e, enum envelope_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * envelope_cure() - replace the default cure of an error just recorded
 * @e: may be NULL
 *
 * Return: -@e->code (-ENVELOPE_E_FAILED where @e is NULL).
 */
int envelope_cure(struct envelope_error *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * envelope_fail_file() - record that a file of this host cannot be read or written
 * @e:     may be NULL
 * @error: an errno value, which may have a way out of its own
 *
 * Return: -ENVELOPE_E_IO.
 */
int envelope_fail_file(struct envelope_error *e, const char *path, int error);

/** envelope_error_cure() - the cure to show: the error's own, else its code's */
const char *envelope_error_cure(const struct envelope_error *e);

/** envelope_error_name() - "NotVolume" for ENVELOPE_E_NOT_VOLUME */
const char *envelope_error_name(enum envelope_code code);

/** envelope_error_code() - the inverse; ENVELOPE_E_FAILED for an unknown name */
enum envelope_code envelope_error_code(const char *name);

/** envelope_error_exit_status() - envelopectl's exit status for a code */
int envelope_error_exit_status(enum envelope_code code);

#endif
