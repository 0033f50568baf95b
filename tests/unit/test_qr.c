/*
 * QR codes of half blocks. What is drawn is turned back into modules here and
 * compared with libqrencode's own matrix.
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include <qrencode.h>

#include "core/attr.h"
#include "core/limits.h"
#include "core/wire.h"
#include "provider/qr.h"

#define MARGIN 2

static struct da_buf
draw(const char *text)
{
	struct da_buf drawn;

	da_buf_init(&drawn, DA_QR_MAX);
	assert_int_equal(da_buf_put_text(&drawn, "old"), DA_OK);
	assert_int_equal(da_qr_draw(text, &drawn), DA_OK);
	assert_true(da_wire_is_qr(da_buf_text(&drawn), drawn.len));
	return drawn;
}

/* Whether the module in column x of the upper or lower half of a line is
 * light. "line" points at the line's first byte. */
static bool
is_light(const char *line, int x, bool upper)
{
	for (; x > 0; x--)
		line += *line == ' ' ? 1 : 3;
	if (*line == ' ')
		return false;
	if (memcmp(line, "\xe2\x96\x88", 3) == 0)
		return true;
	return (memcmp(line, "\xe2\x96\x80", 3) == 0) == upper;
}

static void
compare(const char *text)
{
	QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
	struct da_buf drawn = draw(text);
	const char *line = da_buf_text(&drawn);
	int size;

	assert_non_null(code);
	size = code->width + 2 * MARGIN;
	for (int y = 0; y < size; y++) {
		for (int x = 0; x < size; x++) {
			int mx = x - MARGIN, my = y - MARGIN;
			bool inside = mx >= 0 && my >= 0 && mx < code->width &&
			    my < code->width;
			bool dark = inside &&
			    (code->data[my * code->width + mx] & 1) != 0;

			assert_int_equal(is_light(line, x, y % 2 == 0), !dark);
		}
		if (y % 2 == 1)
			line = strchr(line, '\n') + 1;
	}
	/* An odd number of lines of modules: half of the last is not drawn. */
	assert_string_equal(strchr(line, '\n'), "\n");
	QRcode_free(code);
	da_buf_done(&drawn);
}

static void
test_modules(void **state)
{
	static const char *const texts[] = {"https://login.example.com/device",
	    "https://login.example.com/device?user_code=WDJB-MJHT",
	    "HTTPS://LOGIN.EXAMPLE.COM/DEVICE", "1"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(texts); i++)
		compare(texts[i]);
}

static void
test_every_length(void **state)
{
	char text[DA_URI_MAX + 1];
	size_t longest = 0;

	(void)state;
	for (size_t len = 9; len <= DA_URI_MAX; len += 13) {
		struct da_buf drawn;

		memset(text, 'x', len);
		memcpy(text, "https://", 8);
		text[len] = '\0';
		drawn = draw(text);
		if (drawn.len > 0) {
			size_t width = 0;
			const char *c = da_buf_text(&drawn);

			for (; *c != '\n'; width++)
				c += *c == ' ' ? 1 : 3;
			assert_true(width <= 77);
			longest = len;
		}
		da_buf_done(&drawn);
	}
	/* Version 14 holds 458 bytes. */
	assert_in_range(longest, 445, 458);
}

static void
test_empty(void **state)
{
	struct da_buf drawn = draw("");

	(void)state;
	assert_int_equal(drawn.len, 0);
	da_buf_done(&drawn);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_modules),
	    cmocka_unit_test(test_every_length),
	    cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
