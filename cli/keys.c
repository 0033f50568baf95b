/*
 * devauth keys: the host's public key, to be registered at the provider, and
 * its secrets, which are never shown. Runs as root.
 */
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "command.h"
#include "core/attr.h"
#include "core/clock.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/host_key.h"
#include "store/signing_key.h"

static const char usage[] =
    "usage: devauth keys VERB\n"
    "\n"
    "  show                    the host's public key and the ages of its\n"
    "                          secrets\n"
    "  rotate                  a new secret for what is sealed from now on\n";

/* With what makes a provider find it: "kid" is what our assertions name. */
static void
print_public_key(const struct da_signing_key *key)
{
	(void)printf("{\"kid\":\"%s\",\"use\":\"sig\",\"alg\":\"ES256\",%s\n",
	    da_signing_key_thumbprint(key), da_signing_key_jwk(key) + 1);
	(void)printf("\nThat is this host's public key (JWK). Register it for "
		     "client_auth =\nprivate_key_jwt; DPoP needs no "
		     "registration.\n"
		     "Thumbprint (RFC 7638): %s\n",
	    da_signing_key_thumbprint(key));
}

static void
print_secrets(const struct da_host_keys *keys)
{
	(void)fputs("\nSecrets that tokens are sealed under:\n\n", stdout);
	(void)printf("%-*s  %-6s  %-16s  %s\n", DA_HOST_KEY_ID_LEN, "ID",
	    "STATE", "MADE", "AGE");
	for (size_t i = 0; i < keys->count; i++) {
		char made[DA_ADMIN_TIME_MAX], age[DA_CLOCK_SPAN_MAX];

		da_admin_format_time(keys->keys[i].made_at_s, made);
		da_clock_format_span(
		    da_clock_wall_s() - keys->keys[i].made_at_s, age);
		(void)printf("%s  %-6s  %-16s  %s\n", keys->keys[i].id,
		    i == 0 ? "in use" : "former", made, age);
	}
}

static int
show(void)
{
	DA_CLEANUP(da_signing_key_freep) struct da_signing_key *key = NULL;
	DA_CLEANUP(da_host_keys_done) struct da_host_keys keys = {0};
	struct da_diag diag = {0};
	enum da_err err = da_host_keys_load(&da_paths, &keys, &diag);

	if (err == DA_OK)
		err = da_signing_key_load(&da_paths, &key, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	print_public_key(key);
	print_secrets(&keys);
	return fflush(stdout) == 0 ? DA_EXIT_OK : DA_EXIT_FAILED;
}

static int
rotate(void)
{
	DA_CLEANUP(da_host_keys_done) struct da_host_keys before = {0};
	DA_CLEANUP(da_host_keys_done) struct da_host_keys after = {0};
	struct da_diag diag = {0};
	const char *id = "";
	enum da_err err = da_host_keys_load(&da_paths, &before, &diag);

	if (err == DA_OK)
		err = da_host_keys_rotate(&da_paths, &diag);
	if (err == DA_OK)
		err = da_host_keys_load(&da_paths, &after, &diag);
	if (err == DA_OK)
		id = after.keys[0].id;
	da_admin_log_event("keys-rotate", "", "key", id, err, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	(void)printf(
	    "Tokens are sealed under the new secret %s from now on; those of\n"
	    "open sessions when they are renewed. Former secrets go once "
	    "nothing needs\n"
	    "them. The host's public key stays as it is.\n",
	    id);
	if (before.count == DA_HOST_KEYS_MAX)
		(void)printf("The oldest, %s, has gone, and with it tokens "
			     "that were still sealed\nunder it.\n",
		    before.keys[before.count - 1].id);
	return fflush(stdout) == 0 ? DA_EXIT_OK : DA_EXIT_FAILED;
}

int
da_command_keys(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	bool is_show = strcmp(verb, "show") == 0;

	if (strcmp(verb, "help") == 0 || da_admin_wants_help(argc, argv)) {
		(void)fputs(usage, stdout);
		return DA_EXIT_OK;
	}
	if (argc > 1 && !is_show && strcmp(verb, "rotate") != 0)
		return da_admin_refuse_verb("keys", verb);
	if (argc != 2) {
		(void)fputs(usage, stderr);
		return DA_EXIT_USAGE;
	}
	if (!da_admin_is_root() || !da_admin_prepare_secrets())
		return DA_EXIT_FAILED;
	return is_show ? show() : rotate();
}
