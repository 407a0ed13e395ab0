/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory that the tests of a group share, for cmocka_run_group_tests(). */
#ifndef ENVELOPE_TEST_DIRECTORY_H
#define ENVELOPE_TEST_DIRECTORY_H

#include "test.h"

static char directory[64];

static int set_up(void **state)
{
	new_directory(directory);
	return 0;
}

static int tear_down(void **state)
{
	remove_directory(directory);
	return 0;
}

#endif
