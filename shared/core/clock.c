#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/attr.h"

int64_t
da_clock_mono_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail on Linux */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
da_clock_wall_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail on Linux */
	return (int64_t)now.tv_sec;
}

void
da_clock_format_span(int64_t span_s, char ret[static DA_CLOCK_SPAN_MAX])
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {
	    {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};

	int used = 0;

	(void)stpcpy(ret, "0 seconds");
	for (size_t i = 0, said = 0; i < DA_ARRAY_LEN(units) && said < 2; i++) {
		const int64_t number = span_s / units[i].seconds;

		if (number <= 0)
			continue;
		used += snprintf(ret + used, DA_CLOCK_SPAN_MAX - (size_t)used,
		    "%s%lld %s%s", said > 0 ? " " : "", (long long)number,
		    units[i].name, number == 1 ? "" : "s");
		span_s %= units[i].seconds;
		said++;
	}
}
