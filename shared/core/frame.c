#include "core/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/limits.h"

#define HEADER_LEN 8

/* Waits until the descriptor is ready for "events" or the deadline is over. */
static enum da_err
wait_ready(int fd, short events, int64_t deadline_mono_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left = deadline_mono_ms - da_clock_mono_ms();
		int n;

		if (left <= 0)
			return DA_E_TIMEOUT;
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (n > 0)
			return DA_OK;
		if (n < 0 && errno != EINTR)
			return DA_E_SYS;
	}
}

static enum da_err
send_all(int fd, const uint8_t *bytes, size_t len, int64_t deadline_mono_ms)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			enum da_err err =
			    wait_ready(fd, POLLOUT, deadline_mono_ms);

			if (err != DA_OK)
				return err;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return DA_E_CLOSED;
		} else if (errno != EINTR) {
			return DA_E_SYS;
		}
	}
	return DA_OK;
}

enum da_err
da_frame_send(
    int fd, uint8_t type, const struct da_buf *body, int64_t deadline_mono_ms)
{
	uint32_t len = (uint32_t)body->len;
	uint8_t header[HEADER_LEN] = {DA_FRAME_VERSION, type, 0, 0,
	    (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len};
	enum da_err err;

	if (body->len > DA_FRAME_MAX)
		return DA_E_TOO_LARGE;
	err = send_all(fd, header, sizeof(header), deadline_mono_ms);
	if (err != DA_OK)
		return err;
	return send_all(fd, body->bytes, body->len, deadline_mono_ms);
}

/* Reads exactly "len" bytes. *ret_got tells how many came before a failure. */
static enum da_err
recv_all(int fd, uint8_t *bytes, size_t len, int64_t deadline_mono_ms,
    size_t *ret_got)
{
	*ret_got = 0;
	while (*ret_got < len) {
		/* No control buffer: descriptors that a peer attaches are
		 * closed by the kernel. */
		ssize_t n =
		    recv(fd, bytes + *ret_got, len - *ret_got, MSG_DONTWAIT);

		if (n > 0) {
			*ret_got += (size_t)n;
			continue;
		}
		if (n == 0 || errno == ECONNRESET)
			return DA_E_CLOSED;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			enum da_err err =
			    wait_ready(fd, POLLIN, deadline_mono_ms);

			if (err != DA_OK)
				return err;
		} else if (errno != EINTR) {
			return DA_E_SYS;
		}
	}
	return DA_OK;
}

/* The end of the stream inside a frame is a violation, not a farewell. */
static enum da_err
inside_frame(enum da_err err)
{
	return err == DA_E_CLOSED ? DA_E_WIRE : err;
}

static enum da_err
recv_body(int fd, size_t len, struct da_buf *body, int64_t deadline_mono_ms)
{
	uint8_t chunk[4096];
	enum da_err err = DA_OK;

	while (err == DA_OK && len > 0) {
		size_t want = len < sizeof(chunk) ? len : sizeof(chunk);
		size_t got;

		err = recv_all(fd, chunk, want, deadline_mono_ms, &got);
		if (err == DA_OK)
			err = da_buf_put(body, chunk, got);
		len -= want;
	}
	explicit_bzero(chunk, sizeof(chunk));
	return inside_frame(err);
}

enum da_err
da_frame_recv(int fd, uint8_t *ret_type, struct da_buf *ret_body,
    int64_t deadline_mono_ms)
{
	uint8_t header[HEADER_LEN];
	size_t got, len;
	int64_t rest_mono_ms;
	enum da_err err = recv_all(fd, header, 1, deadline_mono_ms, &got);

	if (err != DA_OK)
		return err;
	rest_mono_ms = da_clock_mono_ms() + DA_FRAME_TIMEOUT_MS;
	err = recv_all(fd, header + 1, HEADER_LEN - 1, rest_mono_ms, &got);
	if (err != DA_OK)
		return inside_frame(err);
	if (header[0] != DA_FRAME_VERSION || header[2] != 0 || header[3] != 0)
		return DA_E_WIRE;
	len = (size_t)header[4] << 24 | (size_t)header[5] << 16 |
	    (size_t)header[6] << 8 | (size_t)header[7];
	if (len > ret_body->max)
		return DA_E_TOO_LARGE;
	da_buf_clear(ret_body);
	err = recv_body(fd, len, ret_body, rest_mono_ms);
	if (err == DA_OK)
		*ret_type = header[1];
	return err;
}

enum da_err
da_frame_expect_end(int fd, int64_t deadline_mono_ms)
{
	uint8_t byte;
	size_t got;
	enum da_err err = recv_all(fd, &byte, 1, deadline_mono_ms, &got);

	if (err == DA_E_CLOSED)
		return DA_OK;
	return err == DA_OK ? DA_E_WIRE : err;
}
