/* store/host_key.c, store/machine.c, store/seal.c */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/secret.h"
#include "core/text.h"
#include "fault.h"
#include "folder.h"
#include "host.h"
#include "store/host_key.h"
#include "store/record.h"
#include "store/seal.h"

#define PURPOSE "test purpose"
#define BINDING "boot=1\nsession=42\n"
#define SECRET "the secret of the file"

static struct test_folder folder;
static struct da_diag diag;
static struct da_host_keys keys;

static int
set_up(void **state)
{
	(void)state;
	test_folder_init_in(&folder, "/dev/shm");
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_A, TEST_UUID_A);
	assert_int_equal(da_host_keys_load(&folder.paths, &keys, &diag), DA_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	da_host_keys_done(&keys);
	test_folder_done(&folder);
	return 0;
}

static const char *
secret_path(void)
{
	static char path[160];

	(void)snprintf(
	    path, sizeof(path), "%s/host.secret", folder.paths.keys_dir);
	return path;
}

static enum da_err
load_again(struct da_host_keys *ret)
{
	enum da_err err;

	diag.text[0] = '\0';
	err = da_host_keys_load(&folder.paths, ret, &diag);
	if (err != DA_OK)
		assert_int_equal(ret->count, 0);
	return err;
}

static void
put(struct da_buf *buf, const char *text)
{
	assert_int_equal(da_buf_put_text(buf, text), DA_OK);
}

/* "file" is initialised here. */
static void
seal(struct da_buf *file)
{
	DA_CLEANUP(da_buf_done) struct da_buf header;
	DA_CLEANUP(da_buf_done) struct da_buf secret;

	da_buf_init(&header, 1000);
	da_buf_init(&secret, 1000);
	da_buf_init(file, 10000);
	put(&header, "what=test\nwhose=alice\n");
	put(&secret, SECRET);
	assert_int_equal(
	    da_seal(&keys, PURPOSE, &header, BINDING, &secret, file), DA_OK);
}

/* Whatever is wrong, it is said with the same words and nothing comes out. */
static enum da_err
unseal(const struct da_host_keys *with, const char *purpose,
    const char *binding, const struct da_buf *file)
{
	DA_CLEANUP(da_buf_done) struct da_buf secret;
	enum da_err err;

	da_buf_init(&secret, 10000);
	diag.text[0] = '\0';
	err = da_unseal(with, purpose, file, binding, &secret, &diag);
	if (err == DA_OK) {
		assert_string_equal(da_buf_text(&secret), SECRET);
	} else {
		assert_int_equal(err, DA_E_SEAL);
		assert_string_equal(diag.text, "the sealed file does not open");
		assert_int_equal(secret.len, 0);
	}
	return err;
}

/* --- the machine --- */

static void
test_machine(void **state)
{
	struct da_machine machine;

	(void)state;
	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_OK);
	assert_string_equal(machine.machine_id, TEST_MACHINE_A);
	assert_string_equal(machine.boot_id, TEST_BOOT_A);
	assert_string_equal(machine.product_uuid, TEST_UUID_A);
	/* Older kernels shout. */
	test_folder_write(&folder, "product_uuid", 0400,
	    "4C4C4544-0042-3510-8052-B4C04F4A3132\n");
	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_OK);
	assert_string_equal(machine.product_uuid, TEST_UUID_A);
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_A, NULL);
	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_OK);
	assert_string_equal(machine.product_uuid, "");
}

/* In a container with a user namespace /proc and /sys belong to nobody, and the
 * product's UUID is for the machine's own root to read. */
static void
test_machine_in_user_namespace(void **state)
{
	struct da_paths paths = folder.paths;
	struct da_machine machine;

	(void)state;
	assert_int_equal(chmod(paths.proc_dir, 0777), 0);
	/* To be written only, by root as well. */
	paths.product_uuid_file = "/proc/sys/vm/drop_caches";
	assert_int_equal(da_machine_read(&paths, &machine, &diag), DA_OK);
	assert_string_equal(machine.boot_id, TEST_BOOT_A);
	assert_string_equal(machine.product_uuid, "");
	paths.product_uuid_file = "/proc/self/mem"; /* cannot be read there */
	assert_int_equal(da_machine_read(&paths, &machine, &diag), DA_E_SYS);
	paths.proc_dir = paths.state_dir;
	assert_int_equal(da_machine_read(&paths, &machine, &diag), DA_E_SYS);
	assert_non_null(strstr(diag.text, "no such file"));
}

static void
test_machine_refusals(void **state)
{
	static const char *const bad[] = {"", "\n", "uninitialized\n",
	    TEST_MACHINE_A "0\n", "0123456789ABCDEF0123456789ABCDEF\n",
	    TEST_MACHINE_A "\n\n", "0123456789abcdef\1_123456789abcdef\n"};
	struct da_machine machine;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++) {
		test_folder_write(&folder, "machine-id", 0444, bad[i]);
		assert_int_equal(
		    da_machine_read(&folder.paths, &machine, &diag),
		    DA_E_SYNTAX);
		assert_non_null(strstr(diag.text, "systemd-machine-id-setup"));
	}
	test_host_ids(&folder, NULL, TEST_BOOT_A, TEST_UUID_A);
	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_E_ABSENT);
	assert_non_null(strstr(diag.text, "systemd-machine-id-setup"));
	test_host_ids(&folder, TEST_MACHINE_A, "not-a-boot", TEST_UUID_A);
	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_E_SYNTAX);
	/* Writable by others: somebody else's word. */
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_A, TEST_UUID_A);
	test_folder_write(&folder, "machine-id", 0666, TEST_MACHINE_A "\n");
	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_E_UNSAFE_FILE);
}

/* --- the secret --- */

static void
test_secret_first_use(void **state)
{
	struct da_host_keys again;
	struct stat st;

	(void)state;
	assert_int_equal(keys.count, 1);
	assert_int_equal(keys.keys[0].secret.len, DA_HOST_SECRET_LEN);
	assert_int_equal(stat(secret_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(folder.paths.keys_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(load_again(&again), DA_OK);
	assert_true(
	    da_secret_equal(&again.keys[0].secret, &keys.keys[0].secret));
	assert_string_equal(again.keys[0].id, keys.keys[0].id);
	da_host_keys_done(&again);
	/* Another host gets another one. */
	assert_int_equal(unlink(secret_path()), 0);
	assert_int_equal(load_again(&again), DA_OK);
	assert_false(
	    da_secret_equal(&again.keys[0].secret, &keys.keys[0].secret));
	da_host_keys_done(&again);
}

/* Many logins at once on a fresh host: one secret. */
static void
test_secret_first_use_at_once(void **state)
{
	enum { COUNT = 12 };

	struct da_host_keys mine;
	int pipes[2];
	char first[DA_HOST_KEY_ID_LEN], id[DA_HOST_KEY_ID_LEN];

	(void)state;
	assert_int_equal(unlink(secret_path()), 0);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < COUNT; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid != 0)
			continue;
		if (load_again(&mine) != DA_OK ||
		    write(pipes[1], mine.keys[0].id, sizeof(id)) !=
			(ssize_t)sizeof(id))
			_exit(1);
		_exit(0);
	}
	for (int i = 0; i < COUNT; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(read(pipes[0], first, sizeof(first)), sizeof(first));
	for (int i = 1; i < COUNT; i++) {
		assert_int_equal(read(pipes[0], id, sizeof(id)), sizeof(id));
		assert_memory_equal(id, first, sizeof(id));
	}
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

/* B10, F1, F4, F5: whatever stands there is not believed and not replaced. */
static void
test_secret_refusals(void **state)
{
	struct da_host_keys again;
	DA_CLEANUP(da_buf_done) struct da_buf before;
	DA_CLEANUP(da_buf_done) struct da_buf after;
	char other[200];
	struct stat st;

	(void)state;
	da_buf_init(&before, 10000);
	da_buf_init(&after, 10000);
	test_host_read(folder.paths.keys_dir, "host.secret", &before);
	for (unsigned mode = 0; mode <= 07777; mode++) {
		if ((mode & ~0600u) == 0 || __builtin_popcount(mode) > 3)
			continue;
		assert_int_equal(chmod(secret_path(), mode), 0);
		assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
		assert_non_null(strstr(diag.text, "chmod it to 0600"));
	}
	assert_int_equal(stat(secret_path(), &st), 0);
	assert_int_not_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod(secret_path(), 0600), 0);
	assert_int_equal(chmod(folder.paths.keys_dir, 0750), 0);
	assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
	assert_int_equal(chmod(folder.paths.keys_dir, 0700), 0);
	/* Another name for it. */
	(void)snprintf(other, sizeof(other), "%s/other", folder.root);
	assert_int_equal(link(secret_path(), other), 0);
	assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
	assert_int_equal(unlink(secret_path()), 0);
	assert_int_equal(symlink(other, secret_path()), 0);
	assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
	assert_int_equal(unlink(secret_path()), 0);
	assert_int_equal(symlink("nowhere", secret_path()), 0);
	assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
	assert_int_equal(unlink(secret_path()), 0);
	assert_int_equal(mkfifo(secret_path(), 0600), 0);
	assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
	assert_int_equal(unlink(secret_path()), 0);
	assert_int_equal(rename(other, secret_path()), 0);
	if (getuid() == 0) {
		assert_int_equal(chown(secret_path(), 65534, 65534), 0);
		assert_int_equal(load_again(&again), DA_E_UNSAFE_FILE);
		assert_int_equal(chown(secret_path(), 0, 0), 0);
	}
	test_host_read(folder.paths.keys_dir, "host.secret", &after);
	assert_string_equal(da_buf_text(&before), da_buf_text(&after));
	assert_int_equal(load_again(&again), DA_OK);
	da_host_keys_done(&again);
}

/* Cut anywhere, changed anywhere: refused, or another secret than before, but
 * never made anew. */
static void
test_secret_damaged(void **state)
{
	struct da_host_keys again;
	DA_CLEANUP(da_buf_done) struct da_buf whole;
	DA_CLEANUP(da_buf_done) struct da_buf after;

	(void)state;
	da_buf_init(&whole, 10000);
	da_buf_init(&after, 10000);
	test_host_read(folder.paths.keys_dir, "host.secret", &whole);
	for (size_t len = 0; len < whole.len; len++) {
		test_host_write(
		    folder.paths.keys_dir, "host.secret", whole.bytes, len);
		assert_int_equal(load_again(&again), DA_E_SYNTAX);
		assert_non_null(strstr(diag.text, "restore it, or remove it"));
		assert_int_equal(
		    da_host_keys_rotate(&folder.paths, &diag), DA_E_SYNTAX);
		da_buf_clear(&after);
		test_host_read(folder.paths.keys_dir, "host.secret", &after);
		assert_int_equal(after.len, len);
	}
	for (size_t i = 0; i < whole.len; i++) {
		whole.bytes[i] ^= 0x80;
		test_host_write(folder.paths.keys_dir, "host.secret",
		    whole.bytes, whole.len);
		assert_int_equal(load_again(&again), DA_E_SYNTAX);
		whole.bytes[i] ^= 0x80;
	}
}

static void
test_rotation(void **state)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;
	char first[DA_HOST_KEY_ID_LEN + 1];

	(void)state;
	seal(&file);
	memcpy(first, keys.keys[0].id, sizeof(first));
	for (size_t n = 2; n <= DA_HOST_KEYS_MAX; n++) {
		da_host_keys_done(&keys);
		assert_int_equal(
		    da_host_keys_rotate(&folder.paths, &diag), DA_OK);
		assert_int_equal(load_again(&keys), DA_OK);
		assert_int_equal(keys.count, n);
		assert_string_not_equal(keys.keys[0].id, first);
		assert_string_equal(keys.keys[n - 1].id, first);
		assert_int_equal(unseal(&keys, PURPOSE, BINDING, &file), DA_OK);
	}
	/* Just replaced: somebody may have read it as the one in use. */
	assert_int_equal(
	    da_host_keys_retire(&folder.paths, NULL, 0, &diag), DA_OK);
	da_host_keys_done(&keys);
	assert_int_equal(load_again(&keys), DA_OK);
	assert_int_equal(keys.count, DA_HOST_KEYS_MAX);
	/* One more: the first goes, and the file with it. */
	da_host_keys_done(&keys);
	assert_int_equal(da_host_keys_rotate(&folder.paths, &diag), DA_OK);
	assert_int_equal(load_again(&keys), DA_OK);
	assert_int_equal(keys.count, DA_HOST_KEYS_MAX);
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &file), DA_E_SEAL);
}

/* Rewrites the times of the secrets: all of them made long ago. */
static void
age_secrets(void)
{
	DA_CLEANUP(da_buf_done) struct da_buf text;
	DA_CLEANUP(da_buf_done) struct da_buf aged;
	char *line, *save = NULL;

	da_buf_init(&text, 10000);
	da_buf_init(&aged, 10000);
	test_host_read(folder.paths.keys_dir, "host.secret", &text);
	for (line = strtok_r((char *)text.bytes, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *space = strchr(line, ' ');

		if (space != NULL)
			put(&aged, "key=1000");
		put(&aged, space != NULL ? space : line);
		put(&aged, "\n");
	}
	test_host_write(
	    folder.paths.keys_dir, "host.secret", aged.bytes, aged.len);
}

static void
test_retirement(void **state)
{
	char used[1][DA_HOST_KEY_ID_LEN + 1];
	char current[DA_HOST_KEY_ID_LEN + 1];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    da_host_keys_rotate(&folder.paths, &diag), DA_OK);
	age_secrets();
	da_host_keys_done(&keys);
	assert_int_equal(load_again(&keys), DA_OK);
	assert_int_equal(keys.count, 4);
	memcpy(current, keys.keys[0].id, sizeof(current));
	memcpy(used[0], keys.keys[2].id, sizeof(used[0]));
	assert_int_equal(
	    da_host_keys_retire(&folder.paths,
		(const char(*)[DA_HOST_KEY_ID_LEN + 1]) used, 1, &diag),
	    DA_OK);
	da_host_keys_done(&keys);
	assert_int_equal(load_again(&keys), DA_OK);
	assert_int_equal(keys.count, 2);
	assert_string_equal(keys.keys[0].id, current);
	assert_string_equal(keys.keys[1].id, used[0]);
	/* The one in use stays, used or not. */
	assert_int_equal(
	    da_host_keys_retire(&folder.paths, NULL, 0, &diag), DA_OK);
	da_host_keys_done(&keys);
	assert_int_equal(load_again(&keys), DA_OK);
	assert_int_equal(keys.count, 1);
	assert_string_equal(keys.keys[0].id, current);
}

/* --- the format, read by other means --- */

/* RFC 5869 2.2, 2.3, for at most one block of output. */
static void
reference_hkdf(const void *input, size_t input_len, const void *salt,
    size_t salt_len, const void *info, size_t info_len, uint8_t ret[32])
{
	uint8_t prk[32], block[256];
	unsigned len = sizeof(prk);

	assert_true(info_len < sizeof(block));
	assert_non_null(HMAC(
	    EVP_sha256(), salt, (int)salt_len, input, input_len, prk, &len));
	memcpy(block, info, info_len);
	block[info_len] = 1;
	assert_non_null(
	    HMAC(EVP_sha256(), prk, 32, block, info_len + 1, ret, &len));
}

/* Test case 1 of RFC 5869 (its first 32 bytes), so that the reference is one.
 */
static void
test_reference(void **state)
{
	static const uint8_t expected[32] = {0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac,
	    0xd5, 0x7a, 0x90, 0x43, 0x4f, 0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d,
	    0x2d, 0x0a, 0x90, 0xcf, 0x1a, 0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56,
	    0xec, 0xc4, 0xc5, 0xbf};
	uint8_t input[22], salt[13], info[10], out[32];

	(void)state;
	memset(input, 0x0b, sizeof(input));
	for (uint8_t i = 0; i < sizeof(salt); i++)
		salt[i] = i;
	for (uint8_t i = 0; i < sizeof(info); i++)
		info[i] = (uint8_t)(0xf0 + i);
	reference_hkdf(
	    input, sizeof(input), salt, sizeof(salt), info, sizeof(info), out);
	assert_memory_equal(out, expected, sizeof(out));
}

static void
get_hex(const struct da_buf *header, const char *key, uint8_t *ret, size_t len)
{
	char hex[80];

	assert_int_equal(
	    da_record_get(header, key, 0, hex, sizeof(hex)), DA_OK);
	assert_int_equal(da_text_parse_hex(hex, ret, len), DA_OK);
}

static void
reference_open(const uint8_t key[32], const uint8_t nonce[12],
    const struct da_buf *file, size_t body)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	char plain[sizeof(SECRET)] = "";
	size_t len = strlen(SECRET);
	int n;

	assert_int_equal(file->len, body + len + 16);
	assert_int_equal(
	    EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce), 1);
	assert_int_equal(
	    EVP_DecryptUpdate(ctx, NULL, &n, file->bytes, (int)body), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n,
			     (const uint8_t *)BINDING, (int)strlen(BINDING)),
	    1);
	assert_int_equal(EVP_DecryptUpdate(ctx, (uint8_t *)plain, &n,
			     file->bytes + body, (int)len),
	    1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16,
			     file->bytes + body + len),
	    1);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, (uint8_t *)plain + n, &n), 1);
	assert_string_equal(plain, SECRET);
	EVP_CIPHER_CTX_free(ctx);
}

static void
test_format(void **state)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;
	DA_CLEANUP(da_buf_done) struct da_buf header;
	uint8_t salt[32], nonce[12], key[32], input[256];
	size_t len = 0;

	(void)state;
	seal(&file);
	da_buf_init(&header, 1000);
	assert_int_equal(da_seal_header(&file, &header), DA_OK);
	assert_memory_equal(header.bytes, "what=test\nwhose=alice\nkey=", 26);
	get_hex(&header, "salt", salt, sizeof(salt));
	get_hex(&header, "nonce", nonce, sizeof(nonce));
	memcpy(input, keys.keys[0].secret.bytes, 32);
	len = 32;
	memcpy(input + len, TEST_MACHINE_A, 33);
	len += 33;
	memcpy(input + len, TEST_UUID_A, 37);
	len += 37;
	reference_hkdf(input, len, salt, 32, PURPOSE, strlen(PURPOSE), key);
	reference_open(key, nonce, &file, header.len + 1);
}

/* Neither salt nor nonce nor key comes twice. */
static void
test_seal_is_fresh(void **state)
{
	static const char *const lines[] = {"salt", "nonce"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(lines); i++) {
		DA_CLEANUP(da_buf_done) struct da_buf one;
		DA_CLEANUP(da_buf_done) struct da_buf other;
		char a[80], b[80];

		seal(&one);
		seal(&other);
		assert_int_equal(
		    da_record_get(&one, lines[i], 0, a, sizeof(a)), DA_OK);
		assert_int_equal(
		    da_record_get(&other, lines[i], 0, b, sizeof(b)), DA_OK);
		assert_string_not_equal(a, b);
		assert_null(memmem(one.bytes, one.len, SECRET, 10));
	}
}

/* --- B1, B5 --- */

static void
test_every_byte_counts(void **state)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;

	(void)state;
	seal(&file);
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &file), DA_OK);
	for (size_t i = 0; i < file.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			file.bytes[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(
			    unseal(&keys, PURPOSE, BINDING, &file), DA_E_SEAL);
			file.bytes[i] ^= (uint8_t)(1 << bit);
		}
	}
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &file), DA_OK);
}

static void
test_every_length_counts(void **state)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;

	(void)state;
	seal(&file);
	for (size_t len = 0; len < file.len; len++) {
		DA_CLEANUP(da_buf_done) struct da_buf cut;

		da_buf_init(&cut, file.len + 10);
		assert_int_equal(da_buf_put(&cut, file.bytes, len), DA_OK);
		assert_int_equal(
		    unseal(&keys, PURPOSE, BINDING, &cut), DA_E_SEAL);
	}
	put(&file, "x");
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &file), DA_E_SEAL);
}

static void
test_b5_tags(void **state)
{
	static const size_t lengths[] = {0, 4, 8, 12, 15};
	DA_CLEANUP(da_buf_done) struct da_buf file;
	DA_CLEANUP(da_buf_done) struct da_buf other;
	DA_CLEANUP(da_buf_done) struct da_buf header;

	(void)state;
	seal(&file);
	seal(&other);
	for (size_t i = 0; i < DA_ARRAY_LEN(lengths); i++) {
		struct da_buf cut = file;

		cut.len = file.len - DA_SEAL_TAG_LEN + lengths[i];
		assert_int_equal(
		    unseal(&keys, PURPOSE, BINDING, &cut), DA_E_SEAL);
	}
	/* The tag, then the whole body, of another file. */
	memcpy(other.bytes + other.len - DA_SEAL_TAG_LEN,
	    file.bytes + file.len - DA_SEAL_TAG_LEN, DA_SEAL_TAG_LEN);
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &other), DA_E_SEAL);
	memcpy(other.bytes + other.len - DA_SEAL_TAG_LEN - strlen(SECRET),
	    file.bytes + file.len - DA_SEAL_TAG_LEN - strlen(SECRET),
	    strlen(SECRET));
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &other), DA_E_SEAL);
	/* No body; a tag alone; lines that are not there. */
	da_buf_init(&header, 1000);
	assert_int_equal(da_seal_header(&file, &header), DA_OK);
	put(&header, "\n");
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &header), DA_E_SEAL);
	put(&header, "0123456789abcdef");
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &header), DA_E_SEAL);
	da_buf_clear(&header);
	put(&header, "a=b\n\n0123456789abcdef0123456789abcdef");
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &header), DA_E_SEAL);
	/* Without a single secret. */
	assert_int_equal(
	    unseal(&(struct da_host_keys){0}, PURPOSE, BINDING, &file),
	    DA_E_SEAL);
}

/* The secret alone is not enough: it opens on this machine. */
static void
test_b1_other_machine(void **state)
{
	static const char *const ids[][2] = {
	    {TEST_MACHINE_B, TEST_UUID_A},
	    {TEST_MACHINE_A, TEST_UUID_B},
	    {TEST_MACHINE_A, NULL},
	};
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct da_host_keys there;

	(void)state;
	seal(&file);
	for (size_t i = 0; i < DA_ARRAY_LEN(ids); i++) {
		test_host_ids(&folder, ids[i][0], TEST_BOOT_A, ids[i][1]);
		assert_int_equal(load_again(&there), DA_OK);
		assert_string_equal(there.keys[0].id, keys.keys[0].id);
		assert_int_equal(
		    unseal(&there, PURPOSE, BINDING, &file), DA_E_SEAL);
		da_host_keys_done(&there);
	}
	/* The boot is the caller's to bind; the key does not depend on it. */
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_B, TEST_UUID_A);
	assert_int_equal(load_again(&there), DA_OK);
	assert_int_equal(unseal(&there, PURPOSE, BINDING, &file), DA_OK);
	da_host_keys_done(&there);
	/* Nor do the ends of the two ids depend on each other. */
	memcpy(keys.machine.product_uuid, keys.machine.machine_id, 33);
	assert_int_equal(unseal(&keys, PURPOSE, BINDING, &file), DA_E_SEAL);
}

static void
test_other_purpose_or_binding(void **state)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;

	(void)state;
	seal(&file);
	assert_int_equal(unseal(&keys, PURPOSE "2", BINDING, &file), DA_E_SEAL);
	assert_int_equal(unseal(&keys, "", BINDING, &file), DA_E_SEAL);
	assert_int_equal(unseal(&keys, PURPOSE, "", &file), DA_E_SEAL);
	assert_int_equal(
	    unseal(&keys, PURPOSE, "boot=1\nsession=43\n", &file), DA_E_SEAL);
}

/* What would not be read back is not written. */
static void
test_bad_headers(void **state)
{
	static const char *const bad[] = {
	    "", "\n", "a=b", "a=b\n\n", "a=b\n\nc=d\n", "\na=b\n"};
	DA_CLEANUP(da_buf_done) struct da_buf secret;
	DA_CLEANUP(da_buf_done) struct da_buf file;

	(void)state;
	da_buf_init(&secret, 100);
	da_buf_init(&file, 1000);
	put(&secret, SECRET);
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++) {
		DA_CLEANUP(da_buf_done) struct da_buf header;

		da_buf_init(&header, 100);
		put(&header, bad[i]);
		assert_int_equal(
		    da_seal(&keys, PURPOSE, &header, BINDING, &secret, &file),
		    DA_E_BUG);
		assert_int_equal(file.len, 0);
	}
}

/* --- F9 --- */

static int
load_child(void *argument)
{
	struct da_host_keys mine;

	(void)argument;
	return load_again(&mine) == DA_OK ? 0 : 1;
}

static int
rotate_child(void *argument)
{
	(void)argument;
	return da_host_keys_rotate(&folder.paths, &diag) == DA_OK ? 0 : 1;
}

/* Runs it once for each change that it makes, and disturbs that one. */
static void
disturb(int (*child)(void *), int verdict, bool first_use)
{
	DA_CLEANUP(da_buf_done) struct da_buf before;
	struct test_fault fault = {.verdict = verdict};

	da_buf_init(&before, 10000);
	test_host_read(folder.paths.keys_dir, "host.secret", &before);
	do {
		struct da_host_keys now;

		if (first_use)
			(void)unlink(secret_path());
		else
			test_host_write(folder.paths.keys_dir, "host.secret",
			    before.bytes, before.len);
		(void)test_fault_run(&fault, test_fault_change, child, NULL);
		assert_int_equal(load_again(&now), DA_OK);
		/* The old or the new state, and always the old secret. */
		if (!first_use) {
			assert_in_range(now.count, 1, 2);
			assert_string_equal(
			    now.keys[now.count - 1].id, keys.keys[0].id);
		} else {
			assert_int_equal(now.count, 1);
		}
		da_host_keys_done(&now);
	} while (test_fault_next(&fault));
	assert_true(fault.at > 5);
	test_host_write(
	    folder.paths.keys_dir, "host.secret", before.bytes, before.len);
}

static void
test_f9_disturbed(void **state)
{
	static const int verdicts[] = {TEST_KILL, TEST_SHORT, ENOSPC, EIO};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(verdicts); i++)
		disturb(rotate_child, verdicts[i], false);
	for (size_t i = 0; i < DA_ARRAY_LEN(verdicts); i++)
		disturb(load_child, verdicts[i], true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_machine),
	    TEST(test_machine_in_user_namespace),
	    TEST(test_machine_refusals),
	    TEST(test_secret_first_use),
	    TEST(test_secret_first_use_at_once),
	    TEST(test_secret_refusals),
	    TEST(test_secret_damaged),
	    TEST(test_rotation),
	    TEST(test_retirement),
	    TEST(test_reference),
	    TEST(test_format),
	    TEST(test_seal_is_fresh),
	    TEST(test_every_byte_counts),
	    TEST(test_every_length_counts),
	    TEST(test_b5_tags),
	    TEST(test_b1_other_machine),
	    TEST(test_other_purpose_or_binding),
	    TEST(test_bad_headers),
	    TEST(test_f9_disturbed),
	};

	test_host_crypto();
	return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
