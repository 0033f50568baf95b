#include "core/err.h"

#include <stddef.h>
#include <syslog.h>

#include "core/attr.h"

struct err_row {
	uint32_t number;
	int level;
	const char *reason;
};

#define DA_ERR(code, number, pam, level, reason) {number, level, reason},
static const struct err_row err_rows[] = {
#include "core/err.def"
};
#undef DA_ERR

static const struct err_row *
find_row(uint32_t number)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(err_rows); i++) {
		if (err_rows[i].number == number)
			return &err_rows[i];
	}
	return NULL;
}

const char *
da_err_reason(enum da_err err)
{
	const struct err_row *row = find_row((uint32_t)err);

	return row != NULL ? row->reason : "unknown";
}

int
da_err_level(enum da_err err)
{
	const struct err_row *row = find_row((uint32_t)err);

	return row != NULL ? row->level : LOG_ERR;
}

enum da_err
da_err_from_wire(uint32_t number)
{
	return find_row(number) != NULL ? (enum da_err)number : DA_E_WIRE;
}
