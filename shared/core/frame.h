/*
 * Frames between our processes: 8 bytes of header (version, type, two zero
 * bytes, big-endian length), then the body. See WIRE.md.
 */
#ifndef DA_CORE_FRAME_H
#define DA_CORE_FRAME_H

#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"

#define DA_FRAME_VERSION 1

/* Writes one frame. Never raises SIGPIPE. DA_E_CLOSED when the peer is gone,
 * DA_E_TIMEOUT when it does not read until the deadline, DA_E_SYS. */
enum da_err da_frame_send(int fd, uint8_t type, const struct da_buf *body,
    int64_t deadline_mono_ms) DA_MUST_CHECK;

/* Reads one frame; waits for its first byte until the deadline and for the
 * rest DA_FRAME_TIMEOUT_MS at most. "ret_body" (initialised; its maximum
 * bounds the frame) is replaced. DA_E_CLOSED at an orderly end before the first
 * byte, DA_E_WIRE for a bad header or an end inside a frame, DA_E_TOO_LARGE,
 * DA_E_TIMEOUT, DA_E_SYS, DA_E_NOMEM. */
enum da_err da_frame_recv(int fd, uint8_t *ret_type, struct da_buf *ret_body,
    int64_t deadline_mono_ms) DA_MUST_CHECK;

/* DA_OK when the peer has closed in an orderly way with nothing left to read;
 * DA_E_WIRE when there is more, DA_E_TIMEOUT, DA_E_SYS. */
enum da_err da_frame_expect_end(int fd, int64_t deadline_mono_ms) DA_MUST_CHECK;

#endif
