// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "pin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_error e = { 0 };
	struct envelope_pin pin;
	char *text = text_of(data, size);

	if (envelope_pin_parse(text, size, &pin, &e) == 0)
		require(pin.n_keks >= 1 && pin.n_keks <= ENVELOPE_PIN_KEKS_MAX &&
			pin.threshold >= 1);
	free(text);
	return 0;
}
