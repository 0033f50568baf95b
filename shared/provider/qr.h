/*
 * An address as a QR code of half blocks, for terminals.
 */
#ifndef DA_PROVIDER_QR_H
#define DA_PROVIDER_QR_H

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"

/* Draws the text with light modules as full blocks, so that it reads on a dark
 * screen, and a margin of two light modules; da_wire_is_qr() accepts it.
 * Lowest error correction: a screen has no scratches, and a smaller code fits.
 * "ret" is replaced, and left empty when the code would be wider than a screen
 * of 80 columns. DA_E_NOMEM. */
enum da_err da_qr_draw(const char *text, struct da_buf *ret) DA_MUST_CHECK;

#endif
