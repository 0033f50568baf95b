/* core/frame, core/wire: both ends of a socketpair, honest and hostile. */
#include "unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/frame.h"
#include "core/wire.h"

#define SOON (da_clock_mono_ms() + 200)

struct pair {
	int a, b;
};

static struct pair
make_pair(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	return (struct pair){fds[0], fds[1]};
}

static void
close_pair(struct pair pair)
{
	(void)close(pair.a);
	(void)close(pair.b);
}

static void
write_raw(int fd, const void *bytes, size_t len)
{
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
}

static enum da_err
recv_frame(int fd, uint8_t *type, struct da_buf *body)
{
	return da_frame_recv(fd, type, body, SOON);
}

static void
test_frame_round_trip(void **state)
{
	struct pair pair = make_pair();
	struct da_buf out, in;
	uint8_t type = 0;

	(void)state;
	da_buf_init(&out, 100);
	da_buf_init(&in, 100);
	assert_int_equal(da_buf_put_text(&out, "hello"), DA_OK);
	assert_int_equal(da_frame_send(pair.a, 7, &out, SOON), DA_OK);
	assert_int_equal(recv_frame(pair.b, &type, &in), DA_OK);
	assert_int_equal(type, 7);
	assert_string_equal(da_buf_text(&in), "hello");
	assert_int_equal(recv_frame(pair.b, &type, &in), DA_E_TIMEOUT);
	(void)shutdown(pair.a, SHUT_WR);
	assert_int_equal(recv_frame(pair.b, &type, &in), DA_E_CLOSED);
	assert_int_equal(da_frame_expect_end(pair.b, SOON), DA_OK);
	da_buf_done(&out);
	da_buf_done(&in);
	close_pair(pair);
}

static void
test_frame_hostile(void **state)
{
	static const struct {
		const char bytes[16];
		size_t len;
		enum da_err err;
	} rows[] = {
	    {"\x02\x01\x00\x00\x00\x00\x00\x00", 8, DA_E_WIRE},
	    {"\x01\x01\x01\x00\x00\x00\x00\x00", 8, DA_E_WIRE},
	    {"\x01\x01\x00\x01\x00\x00\x00\x00", 8, DA_E_WIRE},
	    {"\x01\x01\x00\x00\xff\xff\xff\xff", 8, DA_E_TOO_LARGE},
	    {"\x01\x01\x00\x00\x00\x00\x00\x65", 8, DA_E_TOO_LARGE},
	    {"\x01\x01\x00\x00\x00\x00\x00\x05"
	     "abc",
		11, DA_E_WIRE},
	    {"\x01\x01\x00", 3, DA_E_WIRE},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct pair pair = make_pair();
		struct da_buf in;
		uint8_t type;

		da_buf_init(&in, 100);
		write_raw(pair.a, rows[i].bytes, rows[i].len);
		(void)shutdown(pair.a, SHUT_WR);
		assert_int_equal(recv_frame(pair.b, &type, &in), rows[i].err);
		da_buf_done(&in);
		close_pair(pair);
	}
}

static void
test_frame_more_after_end(void **state)
{
	struct pair pair = make_pair();

	(void)state;
	write_raw(pair.a, "x", 1);
	assert_int_equal(da_frame_expect_end(pair.b, SOON), DA_E_WIRE);
	assert_int_equal(da_frame_expect_end(pair.b, SOON), DA_E_TIMEOUT);
	close_pair(pair);
}

/* A peer that closes with our bytes unread resets the stream; what it had
 * written before must still be read. */
static void
test_frame_answer_survives_close(void **state)
{
	struct pair pair = make_pair();
	struct da_buf body;
	uint8_t type;

	(void)state;
	da_buf_init(&body, 10);
	write_raw(pair.b, "unread", 6);
	assert_int_equal(da_frame_send(pair.a, 9, &body, SOON), DA_OK);
	(void)close(pair.a);
	assert_int_equal(recv_frame(pair.b, &type, &body), DA_OK);
	assert_int_equal(type, 9);
	assert_int_equal(da_frame_expect_end(pair.b, SOON), DA_OK);
	assert_int_equal(da_frame_send(pair.b, 9, &body, SOON), DA_E_CLOSED);
	da_buf_done(&body);
	(void)close(pair.b);
}

static void
fill_code(struct da_wire_code *code)
{
	*code = (struct da_wire_code){.host = "web1",
	    .user_code = "WDJB-MJHT",
	    .uri = "https://login.example.com/device",
	    .good_until = "14:35:10",
	    .wait_ms = 110000,
	    .must_confirm = 1};
	da_buf_init(&code->qr, DA_QR_MAX);
	assert_int_equal(da_buf_put_text(&code->qr,
			     "\xe2\x96\x88 \n\xe2\x96\x80\xe2\x96\x84\n"),
	    DA_OK);
}

static void
test_wire_round_trip(void **state)
{
	struct pair pair = make_pair();
	struct da_wire_code out, in;
	struct da_buf body;
	uint8_t type;

	(void)state;
	da_buf_init(&body, DA_FRAME_MAX);
	fill_code(&out);
	assert_int_equal(da_wire_send(pair.a, DA_WIRE_CODE, &out, SOON), DA_OK);
	assert_int_equal(recv_frame(pair.b, &type, &body), DA_OK);
	assert_int_equal(type, DA_WIRE_CODE);
	assert_int_equal(da_wire_decode(DA_WIRE_CODE, &body, &in), DA_OK);
	assert_string_equal(in.host, "web1");
	assert_string_equal(in.uri, out.uri);
	assert_int_equal(in.wait_ms, 110000);
	assert_int_equal(in.must_confirm, 1);
	assert_string_equal(da_buf_text(&in.qr), da_buf_text(&out.qr));
	da_wire_done(DA_WIRE_CODE, &in);
	da_wire_done(DA_WIRE_CODE, &out);
	da_buf_done(&body);
	close_pair(pair);
}

/* Every truncation is refused; every flipped byte is refused or yields a
 * message that still keeps the rules. */
static void
test_wire_torture(void **state)
{
	struct pair pair = make_pair();
	struct da_wire_code code, in;
	struct da_buf body, bad;
	uint8_t type;

	(void)state;
	da_buf_init(&body, DA_FRAME_MAX);
	da_buf_init(&bad, DA_FRAME_MAX);
	fill_code(&code);
	assert_int_equal(
	    da_wire_send(pair.a, DA_WIRE_CODE, &code, SOON), DA_OK);
	assert_int_equal(recv_frame(pair.b, &type, &body), DA_OK);
	for (size_t len = 0; len < body.len; len++) {
		da_buf_clear(&bad);
		assert_int_equal(da_buf_put(&bad, body.bytes, len), DA_OK);
		assert_int_equal(
		    da_wire_decode(DA_WIRE_CODE, &bad, &in), DA_E_WIRE);
	}
	da_buf_clear(&bad);
	assert_int_equal(da_buf_put(&bad, body.bytes, body.len), DA_OK);
	assert_int_equal(da_buf_put(&bad, "", 1), DA_OK);
	assert_int_equal(da_wire_decode(DA_WIRE_CODE, &bad, &in), DA_E_WIRE);
	for (size_t i = 0; i < body.len; i++) {
		da_buf_clear(&bad);
		assert_int_equal(da_buf_put(&bad, body.bytes, body.len), DA_OK);
		bad.bytes[i] ^= 0x80;
		if (da_wire_decode(DA_WIRE_CODE, &bad, &in) == DA_OK) {
			assert_true(
			    da_wire_is_qr(da_buf_text(&in.qr), in.qr.len));
			assert_true(strlen(in.uri) <= DA_URI_MAX);
			da_wire_done(DA_WIRE_CODE, &in);
		}
	}
	da_wire_done(DA_WIRE_CODE, &code);
	da_buf_done(&body);
	da_buf_done(&bad);
	close_pair(pair);
}

static void
test_wire_refuses_own_bad_field(void **state)
{
	struct da_wire_failed failed = {.code = 33, .reason = "line\nbreak"};
	struct da_wire_identity identity = {.issuer = "https://a"};

	(void)state;
	assert_int_equal(
	    da_wire_send(-1, DA_WIRE_FAILED, &failed, SOON), DA_E_BUG);
	da_buf_init(&identity.groups, 10);
	memcpy(identity.name, "\xff\xff", 3);
	assert_int_equal(
	    da_wire_send(-1, DA_WIRE_IDENTITY, &identity, SOON), DA_E_BUG);
	assert_int_equal(
	    da_wire_send(-1, (enum da_wire_type)200, &failed, SOON), DA_E_BUG);
}

static void
test_wire_order(void **state)
{
	static const struct da_wire_step steps[] = {
	    {0, DA_WIRE_CODE, 1}, {1, DA_WIRE_RESULT, 2}};
	uint8_t at = 0;

	(void)state;
	assert_int_equal(
	    da_wire_advance(steps, 2, DA_WIRE_RESULT, &at), DA_E_WIRE);
	assert_int_equal(at, 0);
	assert_int_equal(da_wire_advance(steps, 2, DA_WIRE_CODE, &at), DA_OK);
	assert_int_equal(
	    da_wire_advance(steps, 2, DA_WIRE_CODE, &at), DA_E_WIRE);
	assert_int_equal(da_wire_advance(steps, 2, DA_WIRE_RESULT, &at), DA_OK);
	assert_int_equal(at, 2);
}

static void
test_wire_qr_rule(void **state)
{
	static const char *const bad[] = {"x\n", "\xe2\x96\x88", "\n",
	    "\xe2\x96\x88\n\xe2\x96\x88\xe2\x96\x88\n", " \033\n",
	    "\xe2\x96\x89\n", "\xe2\x96\n"};

	(void)state;
	assert_true(da_wire_is_qr("", 0));
	assert_true(da_wire_is_qr("\xe2\x96\x88 \n \xe2\x96\x84\n", 10));
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++)
		assert_false(da_wire_is_qr(bad[i], strlen(bad[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frame_round_trip),
	    cmocka_unit_test(test_frame_hostile),
	    cmocka_unit_test(test_frame_more_after_end),
	    cmocka_unit_test(test_frame_answer_survives_close),
	    cmocka_unit_test(test_wire_round_trip),
	    cmocka_unit_test(test_wire_torture),
	    cmocka_unit_test(test_wire_refuses_own_bad_field),
	    cmocka_unit_test(test_wire_order),
	    cmocka_unit_test(test_wire_qr_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
