// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct envelope_worker_request request;
	const uint64_t now = 1ULL << 40; /* anything that has a before and an after */

	memset(&request, 0, sizeof(request));
	memcpy(&request, data, size < sizeof(request) ? size : sizeof(request));
	if (worker_request_valid(&request, now))
		require(request.deadline <= now + ENVELOPE_WORKER_TIME_MAX &&
			request.op <= ENVELOPE_WORKER_CANCEL &&
			(request.op == ENVELOPE_WORKER_UNWRAP || !request.wrapped_size) &&
			request.cell < ENVELOPE_WORKER_CELLS &&
			request.wrapped_size <= ENVELOPE_WRAPPED_MAX &&
			strlen(request.version) <= ENVELOPE_KEK_VERSION_MAX);
	return 0;
}
