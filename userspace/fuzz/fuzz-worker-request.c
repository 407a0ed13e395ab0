// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct envelope_worker_request request;

	memset(&request, 0, sizeof(request));
	memcpy(&request, data, size < sizeof(request) ? size : sizeof(request));
	if (worker_request_valid(&request))
		require(request.cell < ENVELOPE_WORKER_CELLS &&
			request.wrapped_size <= ENVELOPE_WRAPPED_MAX &&
			strlen(request.version) <= ENVELOPE_KEK_VERSION_MAX);
	return 0;
}
