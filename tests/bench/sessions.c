/*
 * What sealed sessions cost, as one table:
 *
 *   bench_sessions [FOLDER]
 *   bench_sessions --make COUNT
 *
 * The second makes sessions on the (private) host that it runs on, for
 * tests/bench/sessions, which measures the sweep. Their owner is process 1.
 *
 * FOLDER (default /var/tmp) decides what an fsync is; the facts of this boot
 * are there as well, instead of in /run. Every figure is the median of the
 * rounds. The tokens are of common sizes: 1.5 kB access and ID token, 100 bytes
 * of refresh token.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "core/file.h"
#include "core/parse.h"
#include "core/paths.h"
#include "store/seal.h"
#include "store/session.h"

#define ROUNDS 201
#define UID 2000000001u
#define MICRO(s) ((s)*1e6)

static char root[128];
static char texts[8][192];
static struct da_paths paths;
static struct da_host_keys keys;
static struct da_diag diag;

static void
check(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, diag.text);
	exit(1);
}

static double
now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at); /* cannot fail */
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report(const char *what, double *seconds, size_t count)
{
	qsort(seconds, count, sizeof(*seconds), compare);
	(void)printf("%-44s %10.1f us  (%.1f - %.1f)\n", what,
	    MICRO(seconds[count / 2]), MICRO(seconds[count / 4]),
	    MICRO(seconds[count * 3 / 4]));
}

static const char *
below(size_t i, const char *name)
{
	(void)snprintf(texts[i], sizeof(texts[i]), "%s/%s", root, name);
	return texts[i];
}

static void
set_up(const char *parent)
{
	(void)snprintf(
	    root, sizeof(root), "%.90s/devauth-bench-XXXXXX", parent);
	check(mkdtemp(root) != NULL, "mkdtemp");
	paths = da_paths;
	paths.state_dir = root;
	paths.keys_dir = below(0, "keys");
	paths.tokens_dir = below(1, "tokens");
	paths.sessions_dir = below(2, "run/sessions");
	paths.owner = getuid();
	(void)umask(077);
	check(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		      OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		      OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
		  NULL) == 1,
	    "OpenSSL");
	check(da_host_keys_load(&paths, &keys, &diag) == DA_OK, "keys");
}

static void
fill(struct da_session *session, uint32_t audit)
{
	static char token[1500];

	memset(token, 't', sizeof(token));
	*session = (struct da_session){
	    .uid = UID,
	    .host = "web1.example.com",
	    .account = "alice",
	    .person = "alice",
	    .who = "alice@example.com",
	    .profile = "corp",
	    .issuer = "https://login.example.com/realms/main",
	    .subject = "7d2c1a52-8c4f-4b83-9f0e-6f6f2b0a9f11",
	    .service = "sshd",
	    .source = "203.0.113.7",
	    .tty = "ssh",
	    .token_type = "DPoP",
	};
	check(da_session_anchor(&paths, getpid(), &session->anchor, &diag) ==
		DA_OK,
	    "anchor");
	session->anchor.audit = audit;
	check(da_secret_set(&session->access_token, token, sizeof(token)) ==
		    DA_OK &&
		da_secret_set(&session->refresh_token, token, 100) == DA_OK,
	    "tokens");
}

static void
bench_seal(void)
{
	DA_CLEANUP(da_buf_done) struct da_buf header;
	DA_CLEANUP(da_buf_done) struct da_buf secret;
	double sealing[ROUNDS], opening[ROUNDS];
	static const char line[] = "what=a clear text of common length ......";

	da_buf_init(&header, 2000);
	da_buf_init(&secret, 10000);
	for (int i = 0; i < 20; i++)
		check(da_buf_format(&header, "%s\n", line) == DA_OK, "header");
	for (int i = 0; i < 80; i++)
		check(da_buf_put_text(&secret, line) == DA_OK, "secret");
	for (size_t i = 0; i < ROUNDS; i++) {
		DA_CLEANUP(da_buf_done) struct da_buf file;
		DA_CLEANUP(da_buf_done) struct da_buf plain;
		double at = now();

		da_buf_init(&file, 20000);
		da_buf_init(&plain, 20000);
		check(da_seal(&keys, "bench", &header, "b", &secret, &file) ==
			DA_OK,
		    "seal");
		sealing[i] = now() - at;
		at = now();
		check(da_unseal(&keys, "bench", &file, "b", &plain, &diag) ==
			DA_OK,
		    "unseal");
		opening[i] = now() - at;
	}
	report("seal 3.3 kB, in memory", sealing, ROUNDS);
	report("unseal", opening, ROUNDS);
}

static void
bench_one(void)
{
	double loading[ROUNDS], making[ROUNDS], opening[ROUNDS];
	double changing[ROUNDS], ending[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		struct da_session session;
		struct da_host_keys own;
		char id[DA_SESSION_MAX + 1];
		double at = now();

		check(da_host_keys_load(&paths, &own, &diag) == DA_OK, "keys");
		loading[i] = now() - at;
		da_host_keys_done(&own);
		fill(&session, (uint32_t)i);
		at = now();
		check(
		    da_session_create(&paths, &keys, &session, &diag) == DA_OK,
		    "create");
		making[i] = now() - at;
		memcpy(id, session.id, sizeof(id));
		da_session_done(&session);
		at = now();
		check(da_session_load(
			  &paths, &keys, id, NULL, 0, &session, &diag) == DA_OK,
		    "load");
		opening[i] = now() - at;
		at = now();
		check(
		    da_session_update(&paths, &keys, &session, &diag) == DA_OK,
		    "update");
		changing[i] = now() - at;
		da_session_done(&session);
		at = now();
		check(da_session_end(&paths, id, &diag) == DA_OK, "end");
		ending[i] = now() - at;
		check(da_session_remove(&paths, id, &diag) == DA_OK, "remove");
	}
	report("read the host's secret and ids", loading, ROUNDS);
	report("create a session (2 fsync)", making, ROUNDS);
	report("load it", opening, ROUNDS);
	report("update it (2 fsync)", changing, ROUNDS);
	report("end it", ending, ROUNDS);
}

/* Many sessions are made from one: only the names differ. */
static void
multiply(uint32_t count)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	const struct da_file_rule rule = {
	    .owner = paths.owner, .mode_max = 0700};
	const struct da_file_rule file_rule = {
	    .owner = paths.owner, .mode_max = 0600, .size_max = 100000};
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct da_session session;
	char *at;

	fill(&session, 0);
	check(da_session_create(&paths, &keys, &session, &diag) == DA_OK,
	    "create");
	da_buf_init(&file, 100000);
	check(da_file_open_dir(paths.tokens_dir, &rule, &dir, &diag) == DA_OK &&
		da_file_read_at(dir, session.id, &file_rule, &file, &diag) ==
		    DA_OK,
	    "read");
	at = strstr((char *)file.bytes, session.id);
	check(at != NULL, "id");
	for (uint32_t i = 1; i < count; i++) {
		char number[9];

		(void)snprintf(number, sizeof(number), "%08x", i);
		memcpy(session.id, number, 8);
		memcpy(at, number, 8);
		check(da_file_replace_unsynced(dir, session.id, 0600,
			  file.bytes, file.len, &diag) == DA_OK,
		    "write");
	}
	da_session_done(&session);
}

static void
bench_many(uint32_t count)
{
	enum { TIMES = 11 };

	double listing[TIMES], finding[TIMES];
	char what[64];

	multiply(count);
	for (size_t i = 0; i < TIMES; i++) {
		DA_CLEANUP(da_session_list_freep)
		struct da_session_list *list = NULL;
		struct da_session_entry entry;
		struct da_anchor anchor;
		char id[DA_SESSION_MAX + 1];
		uint32_t seen = 0;
		double at = now();

		check(
		    da_session_list_open(&paths, false, &list, &diag) == DA_OK,
		    "list");
		while (da_session_list_next(list, &entry, &diag))
			seen += !entry.damaged &&
			    !da_session_is_over(
				&paths, &keys.machine, &entry.session);
		listing[i] = now() - at;
		check(seen == count, "count");
		at = now();
		/* The worst case: looked at everywhere, found nowhere. */
		check(da_session_find(&paths, &keys, getpid(), UID + 1, id,
			  &anchor, &diag) == DA_E_ABSENT,
		    "find");
		finding[i] = now() - at;
	}
	(void)snprintf(what, sizeof(what),
	    "list %u, each with a look at its owner", count);
	report(what, listing, TIMES);
	(void)snprintf(what, sizeof(what), "find among %u", count);
	report(what, finding, TIMES);
}

static int
make(const char *text)
{
	struct da_session session;
	int64_t count;

	check(da_parse_int(text, 0, 100000, &count) == DA_OK, text);
	paths = da_paths;
	check(da_host_keys_load(&paths, &keys, &diag) == DA_OK, "keys");
	for (int64_t i = 0; i < count; i++) {
		fill(&session, (uint32_t)i);
		check(da_session_anchor(&paths, 1, &session.anchor, &diag) ==
			DA_OK,
		    "anchor");
		session.anchor.audit = (uint32_t)i;
		session.verified_at_s = time(NULL);
		session.access_expires_at_s = session.verified_at_s + 86400;
		check(
		    da_session_create(&paths, &keys, &session, &diag) == DA_OK,
		    "create");
		da_session_done(&session);
	}
	da_host_keys_done(&keys);
	return 0;
}

/* Two levels of files, and no links. */
static void
remove_below(const char *folder)
{
	DIR *list = opendir(folder);
	struct dirent *entry;
	char path[512];

	while (list != NULL && (entry = readdir(list)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		(void)snprintf(
		    path, sizeof(path), "%.250s/%s", folder, entry->d_name);
		if (unlink(path) != 0)
			remove_below(path);
	}
	if (list != NULL)
		(void)closedir(list);
	(void)rmdir(folder); /* what is left is seen */
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--make") == 0)
		return make(argv[2]);
	set_up(argc > 1 ? argv[1] : "/var/tmp");
	bench_seal();
	bench_one();
	bench_many(1000);
	remove_below(paths.tokens_dir);
	bench_many(10000);
	da_host_keys_done(&keys);
	remove_below(root);
	return 0;
}
