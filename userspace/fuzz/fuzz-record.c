// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_error e = { 0 };
	struct envelope_record record;
	char *text = text_of(data, size);

	if (envelope_record_parse(text, size, &record, &e) == 0) {
		require(record.n_slots <= ENVELOPE_RECORD_SLOTS_MAX);
		for (unsigned int i = 0; i < record.n_slots; i++)
			require(record.slots[i].threshold >= 1 &&
				record.slots[i].threshold <= record.slots[i].n_shares &&
				record.slots[i].n_shares <= ENVELOPE_SHARES_MAX);
	}
	free(text);
	return 0;
}
