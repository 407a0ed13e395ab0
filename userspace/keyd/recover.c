// SPDX-License-Identifier: GPL-2.0-or-later
#include "recover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "passed.h"
#include "recovery.h"

static int read_key(struct op *op, uint8_t *key, struct envelope_error *e)
{
	_cleanup_secret_ char *text = envelope_secret_alloc(ENVELOPE_RECOVERY_TYPED);
	ssize_t n;

	if (!text)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	n = passed_read(op, "recovery_key", text, ENVELOPE_RECOVERY_TYPED, e);
	return n < 0 ? (int)n : envelope_recovery_parse(text, n, key, e);
}

int recovery_print(struct op *op, const uint8_t *key, struct envelope_error *e)
{
	_cleanup_secret_ char *text = envelope_secret_alloc(ENVELOPE_RECOVERY_TEXT + 2);
	size_t written = 0;
	ssize_t n;

	if (op->passed < 0)
		return passed_missing("recovery_key", e);
	if (!text || envelope_recovery_text(key, text) < 0)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	text[ENVELOPE_RECOVERY_TEXT] = '\n';
	do {
		n = write(op->passed, text + written, ENVELOPE_RECOVERY_TEXT + 1 - written);
		if (n > 0)
			written += n;
	} while (written <= ENVELOPE_RECOVERY_TEXT && (n > 0 || (n < 0 && errno == EINTR)));
	if (written > ENVELOPE_RECOVERY_TEXT)
		return 0;
	envelope_fail(e, ENVELOPE_E_IO, "the recovery key cannot be printed: %s", strerror(errno));
	return envelope_cure(e, "no slot was made for it; repeat it where its output can be kept");
}

static int open_slot(struct unlocked *u, const struct envelope_token *token, const uint8_t *key,
		     struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *secret = envelope_secret_alloc(ENVELOPE_SHARE_BYTES);
	int r;

	if (!secret)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = envelope_recovery_unwrap(key, token, &token->shares[0], secret, e);
	if (!r && !envelope_token_committed(token, 0, secret))
		r = envelope_fail(e, ENVELOPE_E_SEAL_BROKEN,
				  "%s: slot %u: its recovery key unwraps something else than was "
				  "sealed",
				  u->about, token->slot);
	return r ? r : envelope_token_open(token, u->geometry, secret, u->dek, e);
}

int recover(struct op *op, const struct unlock_by *by, struct unlocked *u, struct envelope_error *e)
{
	_cleanup_secret_ uint8_t *key = envelope_secret_alloc(ENVELOPE_RECOVERY_BYTES);
	int r;

	if (!key)
		return envelope_fail(e, ENVELOPE_E_FAILED, "no locked memory: %s", strerror(errno));
	r = read_key(op, key, e);
	if (r)
		return r;
	r = envelope_fail(e, ENVELOPE_E_NO_SLOT, "%s: no recovery key opens it", u->about);
	envelope_cure(e, "open it by its KEKs: without a recovery key");
	for (size_t i = 0; i < u->n_slots && r; i++) {
		const struct envelope_token *token = &u->slots[i].token;

		if (token->n_shares != 1 || !envelope_recovery_is(&token->shares[0]) ||
		    by->without & 1U << token->slot)
			continue;
		r = open_slot(u, token, key, e);
		u->opened = i;
	}
	u->shares = 1;
	u->had = !r;
	return r;
}
