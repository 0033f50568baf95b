/* store/config: the schema, every complaint with its line, the dump. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "core/algorithm.h"
#include "folder.h"
#include "store/config.h"
#include "store/config_schema.h"

#define PROFILE                                                                \
	"[profile corp]\n"                                                     \
	"issuer = https://login.example.com\n"                                 \
	"client_id = devauth\n"

static struct test_folder folder;
static struct da_diag diag;

static enum da_err
load(const char *text, struct da_config **ret)
{
	test_folder_write(&folder, "devauth.conf", 0644, text);
	*ret = NULL;
	diag.text[0] = '\0';
	return da_config_load(&folder.paths, ret, &diag);
}

static void
test_minimal(void **state)
{
	struct da_config *config;
	const struct da_profile *profile;

	(void)state;
	assert_int_equal(
	    load(PROFILE "allowed_users = alice, bob carol\n", &config), DA_OK);
	assert_int_equal(config->remote, DA_REMOTE_PUBLICKEY_FIRST);
	assert_int_equal(config->login_deadline_s, 110);
	assert_string_equal(config->home, "/home/%u");
	assert_int_equal(da_config_profile(config, "", &profile, &diag), DA_OK);
	assert_string_equal(profile->name, "corp");
	assert_int_equal(profile->username_claim.count, 1);
	assert_string_equal(
	    profile->username_claim.items[0], "preferred_username");
	assert_int_equal(profile->algorithms, DA_JOSE_ALG_ALL);
	assert_int_equal(profile->access.users.count, 3);
	assert_true(da_config_list_has(&profile->access.users, "bob"));
	assert_false(da_config_list_has(&profile->access.users, "bo"));
	assert_int_equal(profile->min_interval_s, 5);
	assert_int_equal(
	    da_config_profile(config, "other", &profile, &diag), DA_E_CONFIG);
	da_config_free(config);
}

/* Every complaint names the line and says what to do. */
static void
test_complaints(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
	    {"", "/devauth.conf: no [profile NAME]"},
	    {"\xef\xbb\xbf[devauth]\n", ":1: the file begins with a byte-"},
	    {"[devauth]\nremot = allow\n" PROFILE "allowed_users=\n",
		":2: unknown key \"remot\"; did you mean \"remote\"?"},
	    {PROFILE "client_secret = x\n",
		":4: unknown key \"client_secret\"; did you mean "
		"\"client_secret_file\"?"},
	    {"[devauth]\nzzz = 1\n", ":2: unknown key \"zzz\"; remove it"},
	    {PROFILE "remote = allow\n",
		":4: \"remote\" is a key of the section [devauth]; move it"},
	    {"[devauth]\nissuer = https://login.example.com\n",
		":2: \"issuer\" is a key of the section [profile NAME]; move"},
	    {"remote = allow\n", ":1: keys stand in"},
	    {"[other]\nremote = allow\n",
		":1: unknown section \"[other]\"; it must be [devauth]"},
	    {"[devauth\nremote = allow\n", ":1: a section's title ends"},
	    {"[devauth]\nremote = maybe\n",
		":2: remote: must be publickey-first, allow or deny"},
	    {"[devauth]\nremote = allow\nremote = deny\n",
		":3: \"remote\" is given twice, first in line 2"},
	    {"[devauth]\nlogin_deadline = 5\n",
		":2: login_deadline: must be a time from 20 seconds to 15 "
		"minutes, like 90s or 5min"},
	    {"[devauth]\nlogin_deadline = soon\n", ":2: login_deadline"},
	    {"[devauth]\nhome = home\n", ":2: home: must be an absolute path"},
	    {"[devauth]\nwhat is this\n", ":2: neither"},
	    {PROFILE, ":1: nobody is allowed"},
	    /* Without a key it is a section all the same. */
	    {PROFILE "allowed_users=\n[group ops]\n",
		":5: [group ops] needs \"from = ...\""},
	    {PROFILE "allowed_users=\n[account deploy]\n",
		":5: whose account is it?"},
	    {"[profile corp]\n", ":1: [profile corp] needs \"issuer = ...\""},
	    {"[profile corp]\nclient_id = x\nallowed_users =\n",
		":1: [profile corp] needs \"issuer = ...\""},
	    {"[profile corp]\nissuer = http://x\n",
		":2: issuer: must be an https:// address"},
	    {"[profile corp]\nissuer = https://x/?a\n",
		":2: issuer: must be an https:// address"},
	    {"[profile Corp]\nissuer = https://x\n", ":1: a profile's name"},
	    {PROFILE "allowed_users=\nclient_auth = client_secret_post\n",
		":5: this client_auth needs"},
	    {PROFILE "allowed_users=\nclient_secret_file = /x\n",
		":5: a client_secret_file without"},
	    {PROFILE "allowed_users=\nalgorithms = HS256\n",
		":5: algorithms: must be RS256, PS256"},
	    {PROFILE "allowed_users=\nalgorithms = none\n", ":5: algorithms"},
	    {PROFILE "allowed_users=\nalgorithms =\n",
		":5: algorithms is empty"},
	    {PROFILE "allowed_users=\nallow_loopback = true\n",
		":5: allow_loopback: must be yes or no"},
	    {PROFILE "allowed_groups = a\ngroups_claim =\n",
		":4: allowed_groups needs a groups_claim"},
	    {"[devauth]\ndefault_profile = b\n" PROFILE "allowed_users=\n",
		":2: default_profile names"},
	    {PROFILE "allowed_users = \xff\n", ":4: allowed_users: not print"},
	    /* What stands behind a list would be allowed, word for word. */
	    {PROFILE "allowed_users = alice # but not bob\n",
		":4: allowed_users: a comment needs a line of its own"},
	    {PROFILE "allowed_users = alice ;bob\n",
		":4: allowed_users: a comment needs a line of its own"},
	    {PROFILE "allowed_groups = staff,#ops\n",
		":4: allowed_groups: a comment needs a line of its own"},
	    {"[devauth]\nhome = /srv/%u # homes\n",
		":2: home: a comment needs a line of its own"},
	    {PROFILE "scope = openid ; profile\n",
		":4: scope: a comment needs a line of its own"},
	    {PROFILE "allowed_users=\nusername_claim=\n",
		":5: username_claim is empty"},
	    {PROFILE "allowed_users=\nrequired_claims = role\n",
		":5: required_claims: must be like role=operator|admin"},
	    {PROFILE "allowed_users=\nrequired_claims = =a\n",
		":5: required_claims"},
	    {PROFILE "allowed_users=\nrequired_claims = role=a||b\n",
		":5: required_claims"},
	    {PROFILE "allowed_users=\n[service a/b]\nallowed_users=\n",
		":5: a service has the name of a file"},
	    {PROFILE "allowed_users=\n[service sudo]\nprofile = x\n",
		":6: profile: names a profile that is not there"},
	    {PROFILE "allowed_users=\n[service a123456789b123456789c123456789"
		     "d123456789e123456789f123456789g1234]\n",
		":5: a service has the name of a file"},
	    {PROFILE "allowed_users= alice a@b\n",
		":4: allowed_users: \"a@b\" is no login name"},
	    {PROFILE "allowed_users=\n[service su]\nallowed_users = Bob\n",
		":6: allowed_users: \"Bob\" is no login name"},
	    {"[devauth]\nhome = /home/%h\n" PROFILE "allowed_users=\n",
		":2: home: %u stands for the login name"},
	    {PROFILE "allowed_users=\n[account Deploy]\npeople = a\n",
		":5: an account's name"},
	    {PROFILE "allowed_users=\n[account root]\npeople = alice\n",
		":6: [account root] takes no people, only subjects"},
	    {PROFILE "allowed_users=\n[account deploy]\npeople = a@b\n",
		":6: people: \"a@b\" is no login name, which is made of a-z, "
		"0-9, - and _; list others under subjects"},
	    {PROFILE "allowed_users=\n[account root]\nsubjects = 123\n",
		":6: subjects: must be ISSUER#SUBJECT"},
	    {PROFILE "allowed_users=\n[account root]\nsubjects = https://x#\n",
		":6: subjects: must be ISSUER#SUBJECT"},
	    {PROFILE "allowed_users=\n[group ops]\nfrom = g\n",
		":5: this group needs \"gid = ...\""},
	    {PROFILE "allowed_users=\n[group ops]\ngid = 5000\n",
		":5: [group ops] needs \"from = ...\""},
	    {PROFILE "allowed_users=\n[group ops]\nfrom = g\ngid = 999\n",
		":7: gid: must be a number from 1000"},
	    {PROFILE "allowed_users=\n[group ops]\nfrom = g\ngid = 65534\n",
		":7: gid: must be 1000-60000"},
	    {PROFILE "allowed_users=\n[group ops]\nfrom = g\ngid = 0x3e9\n",
		":7: gid: must be a number"},
	    {PROFILE "allowed_users=\n[group sudo]\nfrom = g\ngid = 5000\n",
		":5: this name means something to the system"},
	    {PROFILE "allowed_users=\n[group sudo]\nfrom = g\ngid = 5000\n"
		     "local = yes\n",
		":7: a local group has the gid that it has"},
	    {PROFILE "allowed_users=\n[group root]\nfrom = g\nlocal = yes\n",
		":5: nobody can be put into the group root"},
	    {PROFILE "allowed_users=\n[group a]\nfrom = g\ngid = 5000\n"
		     "[group b]\nfrom = g\ngid = 5000\n",
		":10: two groups have the same gid"},
	    {PROFILE "allowed_users=\n[profile b]\nissuer = https://b\n"
		     "client_id = b\nallowed_users=\n"
		     "[group a]\nfrom = g\ngid = 5000\n",
		":9: there are profiles of several issuers"},
	    {PROFILE "allowed_users=\n[profile b]\nissuer = https://b\n"
		     "client_id = b\nallowed_users=\n"
		     "[service sudo]\nallowed_groups = g\n",
		":9: there are profiles of several issuers"},
	    {PROFILE "allowed_users=\n[profile b]\nissuer = https://b\n"
		     "client_id = b\nallowed_users=\n"
		     "[account deploy]\npeople = alice\n",
		":9: there are profiles of several issuers"},
	    {PROFILE "allowed_users=\n[account deploy]\nprofile = elsewhere\n"
		     "subjects = https://x#1\n",
		":6: profile: names a profile that is not there"},
	};
	struct da_config *config;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		assert_int_equal(load(rows[i].text, &config), DA_E_CONFIG);
		assert_null(config);
		if (strstr(diag.text, rows[i].says) == NULL)
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, diag.text,
			    rows[i].says);
		assert_non_null(strstr(diag.text, "devauth.conf:"));
	}
}

/* All of them at once, each with its line, and none that only follows from
 * another one. */
static void
test_every_complaint(void **state)
{
	static const char *const says[] = {":2: unknown key", ":4: neither",
	    ":5: unknown section", ":3: home:", ":17: two groups",
	    ":18: nobody can be put"};
	struct da_config *config = NULL;
	struct da_buf all;
	size_t count = 0;

	(void)state;
	test_folder_write(&folder, "devauth.conf", 0644,
	    "[devauth]\nremot = allow\nhome = /home/%h\nwhat is this\n"
	    "[nothing]\na = b\nc = d\n" PROFILE "allowed_groups = staff\n"
	    "[group a]\nfrom = g\ngid = 5000\n"
	    "[group b]\nfrom = g\ngid = 5000\n"
	    "[group root]\nfrom = g\nlocal = yes\n");
	da_buf_init(&all, 10000);
	assert_int_equal(
	    da_config_check(&folder.paths, &config, &all), DA_E_CONFIG);
	assert_null(config);
	for (const char *at = da_buf_text(&all); *at != '\0'; count++) {
		assert_true(count < DA_ARRAY_LEN(says));
		at = strstr(at, "devauth.conf:");
		assert_non_null(at);
		at += strlen("devauth.conf");
		assert_int_equal(
		    strncmp(at, says[count], strlen(says[count])), 0);
		at = strchr(at, '\n') + 1;
	}
	assert_int_equal(count, DA_ARRAY_LEN(says));
	da_buf_done(&all);
	/* Of a section whose values cannot be read no more is said. */
	test_folder_write(&folder, "devauth.conf", 0644,
	    "[devauth]\nremote = x\n[profile a]\nissuer = y\n"
	    "[profile b]\nallowed_users =\n");
	da_buf_init(&all, 10000);
	assert_int_equal(
	    da_config_check(&folder.paths, &config, &all), DA_E_CONFIG);
	assert_non_null(strstr(da_buf_text(&all), ":2: remote:"));
	assert_non_null(strstr(da_buf_text(&all), ":4: issuer:"));
	assert_non_null(
	    strstr(da_buf_text(&all), ":3: [profile a] needs \"client_id"));
	assert_non_null(
	    strstr(da_buf_text(&all), ":5: [profile b] needs \"issuer"));
	assert_null(strstr(da_buf_text(&all), "nobody is allowed"));
	da_buf_done(&all);
}

static void
test_lines(void **state)
{
	struct da_config *config;

	(void)state;
	assert_int_equal(
	    load(PROFILE "allowed_users =\n\n[devauth]\n\nhome = /srv/%u\n"
			 "[service su]\n",
		&config),
	    DA_OK);
	assert_int_equal(da_config_line(config, "home"), 8);
	assert_int_equal(da_config_line(config, "shell"), 6);
	assert_int_equal(da_config_line(&config->profiles[0], "issuer"), 2);
	assert_int_equal(da_config_line(&config->profiles[0], "scope"), 1);
	assert_int_equal(config->service_count, 1);
	assert_int_equal(config->services[0].line, 9);
	assert_false(da_config_has_keys(&config->services[0]));
	assert_true(da_config_has_keys(&config->profiles[0]));
	da_config_free(config);
}

static void
test_bad_file(void **state)
{
	struct da_config *config = NULL;

	(void)state;
	assert_int_equal(
	    da_config_load(&folder.paths, &config, &diag), DA_E_CONFIG);
	assert_non_null(strstr(diag.text,
	    "copy /usr/share/doc/devauth/examples/devauth.conf there"));
	test_folder_write(
	    &folder, "devauth.conf", 0666, PROFILE "allowed_users = alice\n");
	assert_int_equal(
	    da_config_load(&folder.paths, &config, &diag), DA_E_CONFIG);
	assert_non_null(strstr(diag.text, "chmod it to 0644"));
}

/* A list stands in one line. */
static void
test_long_lines(void **state)
{
	char text[sizeof(PROFILE) + 2 * DA_CONFIG_LINE_MAX];
	char *end = stpcpy(text, PROFILE "allowed_users =");
	char *line = text + strlen(PROFILE);
	struct da_config *config;

	(void)state;
	for (int i = 0; i < 200; i++)
		end = stpcpy(end, " somebody");
	assert_int_equal(load(text, &config), DA_OK);
	assert_int_equal(config->profiles[0].access.users.count, 200);
	da_config_free(config);
	memset(end, ' ', DA_CONFIG_LINE_MAX);
	line[DA_CONFIG_LINE_MAX - 2] = '\0';
	assert_int_equal(load(text, &config), DA_OK);
	da_config_free(config);
	line[DA_CONFIG_LINE_MAX - 2] = ' ';
	line[DA_CONFIG_LINE_MAX - 1] = '\0';
	assert_int_equal(load(text, &config), DA_E_CONFIG);
	assert_non_null(
	    strstr(diag.text, ":4: a line has at most 2046 characters"));
}

static void
test_several_profiles(void **state)
{
	struct da_config *config;
	const struct da_profile *profile;

	(void)state;
	assert_int_equal(
	    load(PROFILE
		"allowed_users=\n[profile b]\n"
		"issuer = https://b\nclient_id = b\nallowed_groups = g\n",
		&config),
	    DA_OK);
	assert_int_equal(
	    da_config_profile(config, "", &profile, &diag), DA_E_CONFIG);
	assert_int_equal(
	    da_config_profile(config, "b", &profile, &diag), DA_OK);
	assert_string_equal(profile->issuer, "https://b");
	da_config_free(config);
}

static void
dump(const char *text, bool explain, struct da_buf *ret)
{
	struct da_config *config;

	da_buf_init(ret, 100000);
	if (load(text, &config) != DA_OK)
		fail_msg("%s", diag.text);
	assert_int_equal(da_config_dump(config, explain, ret), DA_OK);
	da_config_free(config);
}

static void
test_dump_is_stable(void **state)
{
	struct da_buf first, second;

	(void)state;
	for (int explain = 0; explain <= 1; explain++) {
		dump("[devauth]\nremote = deny\naccount_max_age = 12h\n" PROFILE
		     "allowed_users = alice bob\nalgorithms = ES256\n"
		     "required_claims = role=a|b\n"
		     "[service sudo]\nallowed_groups = wheelers\n"
		     "[service su]\nallowed_users =\n"
		     "[account deploy]\npeople = alice\n"
		     "subjects = https://x#1\n"
		     "[group ops]\ngid = 5000\nfrom = g1 g2\n"
		     "[group sudo]\nlocal = yes\nfrom = g1\n",
		    explain == 1, &first);
		dump(da_buf_text(&first), explain == 1, &second);
		assert_string_equal(da_buf_text(&first), da_buf_text(&second));
		assert_non_null(
		    strstr(da_buf_text(&first), "\naccount_max_age = 12h\n"));
		assert_non_null(strstr(da_buf_text(&first), "[service su]\n"));
		assert_non_null(strstr(
		    da_buf_text(&first), "\nrequired_claims = role=a|b\n"));
		da_buf_done(&first);
		da_buf_done(&second);
	}
}

static void
check_kind(
    const char *section, const struct da_config_kind *kind, const char *mark)
{
	char line[64];

	assert_non_null(section);
	for (size_t i = 0; i < kind->row_count; i++) {
		(void)snprintf(
		    line, sizeof(line), "\n%s%s =", mark, kind->rows[i].key);
		if (strstr(section, line) == NULL)
			fail_msg("no line \"%s\"", line + 1);
		assert_true(strlen(kind->rows[i].help) > 10);
	}
}

/* Every key of the schema is documented, dumped and read. */
static void
test_every_key_is_dumped(void **state)
{
	struct da_buf text;
	char line[64];

	(void)state;
	dump(PROFILE "allowed_users = alice\n"
		     "[service sudo]\nprofile = corp\nallowed_users =\n"
		     "allowed_groups =\nrequired_claims =\n"
		     "reauth = session\nreauth_max_age = 5min\nacr = silver\n"
		     "amr = mfa\nmax_age = 1h\n"
		     "[account deploy]\npeople = alice\n"
		     "[group ops]\ngid = 5000\nfrom = g\n",
	    true, &text);
	for (size_t k = 0; k < da_config_kind_count; k++) {
		const struct da_config_kind *kind = &da_config_kinds[k];

		(void)snprintf(line, sizeof(line), "\n[%s", kind->prefix);
		check_kind(strstr(da_buf_text(&text), line), kind, "");
	}
	check_kind(da_buf_text(&text), &da_config_global, "");
	da_buf_done(&text);
}

/* Sections and keys that the file has not are there to be learned from. */
static void
test_absent_is_explained(void **state)
{
	struct da_buf text, plain;
	char line[64];
	const char *service;

	(void)state;
	dump(PROFILE "allowed_users = alice\n", true, &text);
	for (size_t k = DA_CONFIG_KIND_SERVICE; k < da_config_kind_count; k++) {
		const struct da_config_kind *kind = &da_config_kinds[k];

		(void)snprintf(
		    line, sizeof(line), "\n#[%sNAME]\n", kind->prefix);
		check_kind(strstr(da_buf_text(&text), line), kind, "#");
	}
	service = strstr(da_buf_text(&text), "\n#[service NAME]\n");
	assert_non_null(service);
	assert_non_null(strstr(service, "whose members may use the service."));
	assert_non_null(
	    strstr(da_buf_text(&text), "whose members may log in."));
	da_buf_done(&text);
	/* A key that a service has not says something else than its initial
	 * value. */
	dump(PROFILE "allowed_users = alice\n[service su]\n", true, &text);
	service = strstr(da_buf_text(&text), "\n[service su]\n");
	check_kind(service, &da_config_kinds[DA_CONFIG_KIND_SERVICE], "#");
	da_buf_done(&text);
	dump(PROFILE "allowed_users = alice\n", false, &plain);
	assert_null(strchr(da_buf_text(&plain), '#'));
	da_buf_done(&plain);
}

static void
test_secret_file(void **state)
{
	char text[512];
	struct da_config *config;
	const struct da_profile *profile;
	struct da_buf secret;

	(void)state;
	(void)snprintf(text, sizeof(text),
	    PROFILE "allowed_users=\nclient_auth = client_secret_basic\n"
		    "client_secret_file = %s/secret\n",
	    folder.root);
	assert_int_equal(load(text, &config), DA_OK);
	assert_int_equal(da_config_profile(config, "", &profile, &diag), DA_OK);
	da_buf_init(&secret, DA_SECRET_MAX);
	assert_int_equal(
	    da_config_read_secret(&folder.paths, profile, &secret, &diag),
	    DA_E_CONFIG);
	test_folder_write(&folder, "secret", 0644, "s3cret\n");
	assert_int_equal(
	    da_config_read_secret(&folder.paths, profile, &secret, &diag),
	    DA_E_CONFIG);
	assert_null(strstr(diag.text, "s3cret"));
	test_folder_write(&folder, "secret", 0600, "s3cret\n");
	assert_int_equal(
	    da_config_read_secret(&folder.paths, profile, &secret, &diag),
	    DA_OK);
	assert_string_equal(da_buf_text(&secret), "s3cret");
	da_buf_clear(&secret);
	test_folder_write(&folder, "secret", 0600, "\n");
	assert_int_equal(
	    da_config_read_secret(&folder.paths, profile, &secret, &diag),
	    DA_E_CONFIG);
	da_buf_done(&secret);
	da_config_free(config);
}

/* The sample in conf/ is valid, and mentions no key that does not exist. */
static void
test_sample(void **state)
{
	struct da_config *config;
	char text[16384];
	FILE *file = fopen(DA_SAMPLE_CONFIG, "r");
	size_t len;

	(void)state;
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	(void)fclose(file);
	if (load(text, &config) != DA_OK)
		fail_msg("%s", diag.text);
	da_config_free(config);
}

int
main(void)
{
#define TEST(f) TEST_IN_FOLDER(f, folder)
	const struct CMUnitTest tests[] = {
	    TEST(test_minimal),
	    TEST(test_complaints),
	    TEST(test_every_complaint),
	    TEST(test_lines),
	    TEST(test_bad_file),
	    TEST(test_long_lines),
	    TEST(test_several_profiles),
	    TEST(test_dump_is_stable),
	    TEST(test_every_key_is_dumped),
	    TEST(test_absent_is_explained),
	    TEST(test_secret_file),
	    TEST(test_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
