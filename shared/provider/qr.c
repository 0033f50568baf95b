#include "provider/qr.h"

#include <errno.h>
#include <stdbool.h>

#include <qrencode.h>

#include "core/limits.h"

/* Fewer than the four of ISO/IEC 18004; readers cope on screens. */
#define MARGIN 2
/* Version 14 with its margin: 77 columns. */
#define WIDTH_MAX (17 + 4 * 14)

static const char full[] = "\xe2\x96\x88", upper[] = "\xe2\x96\x80",
		  lower[] = "\xe2\x96\x84";

/* Outside of the code, everything is light. */
static bool
is_light(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return true;
	return (code->data[y * code->width + x] & 1) == 0;
}

/* One line of text is two lines of modules; below the last one is nothing. */
static enum da_err
draw_line(const QRcode *code, int y, struct da_buf *ret)
{
	bool last = y + 1 >= code->width + MARGIN;
	enum da_err err = DA_OK;

	for (int x = -MARGIN; err == DA_OK && x < code->width + MARGIN; x++) {
		bool above = is_light(code, x, y);
		bool below = !last && is_light(code, x, y + 1);

		if (above)
			err = da_buf_put_text(ret, below ? full : upper);
		else
			err = da_buf_put_text(ret, below ? lower : " ");
	}
	return err != DA_OK ? err : da_buf_put_text(ret, "\n");
}

static enum da_err
draw(const QRcode *code, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (int y = -MARGIN; err == DA_OK && y < code->width + MARGIN; y += 2)
		err = draw_line(code, y, ret);
	return err;
}

enum da_err
da_qr_draw(const char *text, struct da_buf *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf drawn;
	QRcode *code;
	enum da_err err = DA_OK;

	da_buf_clear(ret);
	da_buf_init(&drawn, DA_QR_MAX);
	/* Version 0: the smallest that holds it. */
	code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
	if (code == NULL)
		return errno == ENOMEM ? DA_E_NOMEM : DA_OK;
	if (code->width <= WIDTH_MAX)
		err = draw(code, &drawn);
	QRcode_free(code);
	if (err == DA_OK)
		err = da_buf_put(ret, drawn.bytes, drawn.len);
	return err == DA_E_TOO_LARGE ? DA_OK : err;
}
