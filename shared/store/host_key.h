/*
 * The host's secret: 32 random bytes in a root-only file, made at first use,
 * from which the key of each sealed file is derived, together with what the
 * machine is. Whoever copies the folders of this host to another one, the
 * secret included, has nothing that opens there.
 *
 * File (keys_dir/host.secret, 0600): a line for each secret, the one in use
 * first, former ones behind it for as long as something is sealed under them.
 * One file, replaced as a whole, so that no crash leaves half a rotation. It is
 * never made anew over one that is there, whatever is wrong with that.
 *
 * Runs in the broker and the sweep, as root.
 */
#ifndef DA_STORE_HOST_KEY_H
#define DA_STORE_HOST_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/secret.h"
#include "store/machine.h"

struct da_paths;

#define DA_HOST_SECRET_LEN 32
#define DA_HOST_KEY_ID_LEN 16 /* hexadecimal digits */
#define DA_HOST_SALT_LEN 32
#define DA_HOST_KEY_LEN 32

struct da_host_key {
	char id[DA_HOST_KEY_ID_LEN + 1]; /* derived from the secret, public */
	int64_t made_at_s;               /* wall clock */
	struct da_secret secret;
};

/* Zero-initialise; release with da_host_keys_done(). */
struct da_host_keys {
	struct da_host_key keys[DA_HOST_KEYS_MAX]; /* [0] is in use */
	size_t count;
	struct da_machine machine;
};

/* Reads machine and secrets; makes the folder and the first secret where there
 * are none. DA_E_UNSAFE_FILE (owner, mode, link: the text has the cure),
 * DA_E_SYNTAX (damaged: never replaced, the text says what removing it costs),
 * DA_E_SYS, DA_E_TIMEOUT, and the errors of da_machine_read(). "ret" is
 * initialised, and empty after an error. */
enum da_err da_host_keys_load(const struct da_paths *paths,
    struct da_host_keys *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Wipes. */
void da_host_keys_done(struct da_host_keys *keys);

/* Puts a new secret in front. Files sealed so far still open, and are sealed
 * under the new one when they are written next. With DA_HOST_KEYS_MAX secrets
 * the oldest goes, and with it what is sealed under it. Needs
 * da_host_keys_load() to have worked. */
enum da_err da_host_keys_rotate(
    const struct da_paths *paths, struct da_diag *diag) DA_MUST_CHECK;

/* Removes former secrets that are not among the "used" ids and were replaced
 * DA_HOST_KEY_KEEP_S ago. */
enum da_err da_host_keys_retire(const struct da_paths *paths,
    const char (*used)[DA_HOST_KEY_ID_LEN + 1], size_t used_count,
    struct da_diag *diag) DA_MUST_CHECK;

/* The key for one sealed file: HKDF-SHA256 (RFC 5869) with the secret and the
 * machine's ids as input, the file's salt, and the purpose as info.
 * DA_E_ABSENT: no secret of that id. The caller wipes ret_key. */
enum da_err da_host_keys_derive(const struct da_host_keys *keys,
    const char *key_id, const uint8_t salt[static DA_HOST_SALT_LEN],
    const char *purpose, uint8_t ret_key[static DA_HOST_KEY_LEN]) DA_MUST_CHECK;

#endif
