// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "kek-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_kek_config config;
	struct envelope_error e = { 0 };
	char *text = text_of(data, size);

	envelope_kek_config_default(&config, "fuzz");
	if (envelope_kek_config_parse(text, "fuzz.conf", &config, &e) == 0)
		require(!strcmp(config.provider, "service") && config.lease >= ENVELOPE_LEASE_MIN &&
			config.lease <= ENVELOPE_LEASE_MAX && config.check_interval &&
			config.check_interval <= ENVELOPE_CHECK_MAX &&
			config.rotation_interval <= ENVELOPE_ROTATION_MAX &&
			envelope_access_valid(&config.use) &&
			envelope_access_valid(&config.administer) &&
			config.on_state[ENVELOPE_PROVIDER_OK] == ENVELOPE_LOSS_LEASE);
	else
		require(e.code != ENVELOPE_OK);
	free(text);
	return 0;
}
