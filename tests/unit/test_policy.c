/* store/policy: claims -> decision, as tables over a configuration. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "store/policy.h"

#define ISSUER "https://login.example.com"
#define PARTNER "https://login.partner.example"

static const char text[] = "[profile corp]\n"
			   "issuer = " ISSUER "\n"
			   "client_id = devauth\n"
			   "strip_domains = example.com Corp.Example\n"
			   "allowed_users = alice bob oscar\n"
			   "allowed_groups = staff g-42\n"
			   "[profile partner]\n"
			   "issuer = " PARTNER "\n"
			   "client_id = devauth\n"
			   "allowed_users = dora alice\n"
			   "allowed_groups = staff\n"
			   "[profile strict]\n"
			   "issuer = " ISSUER "\n"
			   "client_id = devauth\n"
			   "allowed_groups = staff\n"
			   "required_claims = role=operator|admin mfa=true\n"
			   "[profile names]\n"
			   "issuer = " ISSUER "\n"
			   "client_id = devauth\n"
			   "allowed_users = alice bob\n"
			   "[profile nobody]\n"
			   "issuer = " ISSUER "\n"
			   "client_id = devauth\n"
			   "allowed_users =\n"
			   "[service sudo]\n"
			   "profile = corp\n"
			   "allowed_groups = admins\n"
			   "[service su]\n"
			   "profile = corp\n"
			   "allowed_users =\n"
			   "[service cron]\n"
			   "profile = corp\n"
			   "required_claims = role=robot\n"
			   "[account deploy]\n"
			   "profile = corp\n"
			   "people = alice bob\n"
			   "subjects = " ISSUER "#s-odd\n"
			   "[account ship]\n"
			   "profile = corp\n"
			   "people = alice\n"
			   "[account root]\n"
			   "subjects = " ISSUER "#s-alice\n"
			   "[account oscar]\n"
			   "subjects = " ISSUER "#s-oscar\n"
			   "[account empty]\n"
			   "people =\n"
			   "[group ops]\n"
			   "profile = corp\n"
			   "gid = 5000\n"
			   "from = g-42 admins\n"
			   "[group sudo]\n"
			   "profile = corp\n"
			   "local = yes\n"
			   "from = admins\n";

static struct test_folder folder;
static struct da_config *config;
static struct da_diag diag;

static int
set_up(void **state)
{
	(void)state;
	test_folder_init(&folder);
	test_folder_write(&folder, "devauth.conf", 0644, text);
	if (da_config_load(&folder.paths, &config, &diag) != DA_OK)
		fail_msg("%s", diag.text);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	da_config_free(config);
	test_folder_done(&folder);
	return 0;
}

static struct da_policy
policy_of(const char *profile, const char *service)
{
	struct da_policy policy = {.config = config, .service = service};

	if (da_config_profile(config, profile, &policy.profile, &diag) != DA_OK)
		fail_msg("%s", diag.text);
	return policy;
}

/* A list written "a;b" as the blobs are. */
static struct da_buf
list_of(const char *items)
{
	struct da_buf list;

	da_buf_init(&list, 4096);
	while (*items != '\0') {
		size_t len = strcspn(items, ";");

		assert_int_equal(da_buf_put(&list, items, len), DA_OK);
		assert_int_equal(da_buf_put(&list, "", 1), DA_OK);
		items += len + (items[len] == ';' ? 1 : 0);
	}
	return list;
}

static void
test_map_name(void **state)
{
	static const struct {
		const char *claim, *name; /* NULL = refused */
	} rows[] = {
	    {"alice", "alice"},
	    {"ALICE", "alice"},
	    {"Alice@Example.COM", "alice"},
	    {"alice@corp.example", "alice"},
	    {"al-ice_2", "al-ice_2"},
	    {"alice@evil.com", NULL},
	    {"alice@example.com.evil.com", NULL},
	    {"alice@example.co", NULL},
	    {"alice@", NULL},
	    {"@example.com", NULL},
	    {"alice@evil.com@example.com", NULL},
	    {"", NULL},
	    {"al ice", NULL},
	    {"al:ice", NULL},
	    {"alice\n", NULL},
	    {"-alice", NULL},
	    {"~alice", NULL},
	    {"+alice", NULL},
	    {"1234", NULL},
	    {"-1", NULL},
	    {"4294967295", NULL},
	    {"al.ice", NULL},
	    {"../alice", NULL},
	    {"al/ice", NULL},
	    {"alice$", NULL},
	    {"root", NULL},
	    {"daemon", NULL},
	    {"sudo", NULL},
	    {"ops", NULL},              /* a group of the configuration */
	    {"alic\xd0\xb5", NULL},     /* Cyrillic e */
	    {"\xef\xbd\x81lice", NULL}, /* full-width a */
	    {"al\xc4\xb1"
	     "ce",
		NULL},                           /* dotless i */
	    {"abcdefghijklmnopqrstuvwxyzabcdef", /* 32 */
		"abcdefghijklmnopqrstuvwxyzabcdef"},
	    {"abcdefghijklmnopqrstuvwxyzabcdefg", NULL},
	    {"wheel", NULL}, /* reserved, wherever in the list it stands */
	    {"adm", NULL},
	    {"Docker@example.com", NULL},
	    {"www-data", NULL},
	    {"_apt", NULL},
	    {"whee", "whee"},
	    {"wheels", "wheels"},
	};
	struct da_policy policy = policy_of("corp", "sshd");

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_policy_identity identity = {
		    .username_claim = "preferred_username",
		    .username = rows[i].claim};
		char name[DA_USER_MAX + 1];
		enum da_err err =
		    da_policy_map_name(&policy, &identity, name, &diag);

		if (rows[i].name == NULL) {
			if (err != DA_E_BAD_NAME)
				fail_msg("\"%s\" became \"%s\"", rows[i].claim,
				    name);
			continue;
		}
		assert_int_equal(err, DA_OK);
		assert_string_equal(name, rows[i].name);
	}
}

/* Who is asked for, who approves, and who that is then. */
static void
test_find_person(void **state)
{
	static const struct {
		const char *account;
		bool local;
		const char *username, *subject, *issuer;
		enum da_err err;
		const char *person;
	} rows[] = {
	    {"alice", false, "alice", "s-alice", ISSUER, DA_OK, "alice"},
	    /* N1 */
	    {"alice", false, "bob", "s-bob", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"alice", false, "alice@evil.com", "s", ISSUER, DA_E_BAD_NAME, ""},
	    /* N5, N15: a local account is nobody's without a line. */
	    {"alice", true, "alice", "s-alice", ISSUER, DA_E_NOT_ALLOWED, ""},
	    {"postgres", true, "postgres", "s", ISSUER, DA_E_BAD_NAME, ""},
	    {"root", true, "root", "s-root", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"root", true, "alice", "s-alice", ISSUER, DA_OK, "alice"},
	    {"root", true, "alice", "s-bob", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"root", true, "alice", "s-alice", PARTNER, DA_E_WRONG_PERSON, ""},
	    /* Several people, each pinned under the own name. */
	    {"deploy", true, "alice", "s-alice", ISSUER, DA_OK, "alice"},
	    {"deploy", true, "bob", "s-bob", ISSUER, DA_OK, "bob"},
	    {"deploy", true, "carol", "s-carol", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"deploy", true, "deploy", "s-d", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"deploy", true, "carol", "s-odd", ISSUER, DA_OK, "carol"},
	    /* The partner's alice is not ours. */
	    {"deploy", true, "alice", "s-alice", PARTNER, DA_E_WRONG_PERSON,
		""},
	    /* No login name, listed by identity. */
	    {"deploy", true, "o.dd", "s-odd", ISSUER, DA_OK, ""},
	    {"deploy", true, "o.dd", "s-od", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"deploy", true, "o.dd", "s-odd#", ISSUER, DA_E_WRONG_PERSON, ""},
	    /* Before the account exists, it is still not deploy's own. */
	    {"deploy", false, "alice", "s-alice", ISSUER, DA_OK, "deploy"},
	    /* An account of ours that belongs to an identity. */
	    {"oscar", false, "o.wilde", "s-oscar", ISSUER, DA_OK, "oscar"},
	    {"oscar", false, "oscar", "s-other", ISSUER, DA_E_WRONG_PERSON, ""},
	    {"oscar", false, "oscar", "s-oscar", PARTNER, DA_E_WRONG_PERSON,
		""},
	    {"empty", false, "empty", "s", ISSUER, DA_E_WRONG_PERSON, ""},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_policy policy = policy_of(
		    strcmp(rows[i].issuer, ISSUER) == 0 ? "corp" : "partner",
		    "sshd");
		struct da_policy_identity identity = {.issuer = rows[i].issuer,
		    .subject = rows[i].subject,
		    .username_claim = "preferred_username",
		    .username = rows[i].username};
		char person[DA_USER_MAX + 1] = "";
		enum da_err err = da_policy_find_person(&policy, &identity,
		    rows[i].account, rows[i].local, person, &diag);

		if (err != rows[i].err ||
		    (err == DA_OK && strcmp(person, rows[i].person) != 0))
			fail_msg("row %zu: %s by %s: %s, \"%s\" (%s)", i,
			    rows[i].account, rows[i].username,
			    da_err_reason(err), person, diag.text);
		if (err == DA_OK)
			assert_true(da_policy_still_maps(&policy,
			    rows[i].account, rows[i].local, rows[i].username,
			    rows[i].issuer, rows[i].subject));
	}
}

/* A line that is gone takes effect without a new sign-in. */
static void
test_still_maps(void **state)
{
	static const struct {
		const char *account;
		bool local;
		const char *login, *subject;
		bool maps;
	} rows[] = {
	    {"alice", false, "alice", "s-alice", true},
	    {"alice", true, "alice", "s-alice", false},
	    {"deploy", true, "alice", "s-alice", true},
	    {"deploy", true, "carol", "s-carol", false},
	    {"deploy", true, "-", "s-odd", true},
	    {"deploy", true, "-", "s-other", false},
	    /* Who was taken off the list, or never had the name. */
	    {"deploy", false, "alice", "s-alice", true},
	    {"deploy", false, "carol", "s-carol", false},
	    {"deploy", false, "deploy", "s-d", false},
	    {"ada", false, "alice", "s-alice", false},
	    {"ada", false, "-", "s-alice", false},
	    {"build", true, "alice", "s-alice", false},
	    {"oscar", false, "oscar", "s-oscar", true},
	    {"oscar", false, "oscar", "s-former", false},
	    {"empty", false, "empty", "s", false},
	    {"root", true, "alice", "s-alice", true},
	    {"root", true, "alice", "s-former", false},
	};
	struct da_policy policy = policy_of("corp", "sshd");

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		if (da_policy_still_maps(&policy, rows[i].account,
			rows[i].local, rows[i].login, ISSUER,
			rows[i].subject) != rows[i].maps)
			fail_msg("row %zu", i);
	}
}

static void
test_access(void **state)
{
	static const struct {
		const char *profile, *service, *person, *groups, *claims;
		const char *rule; /* NULL = let in */
	} rows[] = {
	    {"corp", "sshd", "alice", "", "", NULL},
	    {"corp", "sshd", "carol", "staff", "", NULL},
	    {"corp", "sshd", "carol", "x;g-42", "", NULL},
	    {"corp", "sshd", "carol", "Staff", "",
		"allowed_users, allowed_groups"},
	    {"corp", "sshd", "carol", "staffs;sta", "",
		"allowed_users, allowed_groups"},
	    {"corp", "sshd", "carol", "", "", "allowed_users, allowed_groups"},
	    {"corp", "sshd", "", "", "", "allowed_users, allowed_groups"},
	    {"corp", "sshd", "", "staff", "", NULL},
	    {"names", "sshd", "carol", "staff", "", "allowed_users"},
	    /* F3: an empty list allows nobody. */
	    {"nobody", "sshd", "alice", "staff", "", "allowed_users"},
	    {"strict", "sshd", "carol", "staff", "role=operator;mfa=true",
		NULL},
	    {"strict", "sshd", "carol", "staff", "mfa=true;role=x;role=admin",
		NULL},
	    {"strict", "sshd", "carol", "staff", "role=operator",
		"required_claims mfa=true"},
	    {"strict", "sshd", "carol", "staff", "role=operators;mfa=true",
		"required_claims role=operator|admin"},
	    {"strict", "sshd", "carol", "staff", "role=operato;mfa=true",
		"required_claims role=operator|admin"},
	    {"strict", "sshd", "carol", "staff", "role=operator|admin;mfa=true",
		"required_claims role=operator|admin"},
	    {"strict", "sshd", "carol", "staff", "xrole=admin;mfa=true",
		"required_claims role=operator|admin"},
	    {"strict", "sshd", "carol", "staff", "",
		"required_claims role=operator|admin"},
	    {"strict", "sshd", "carol", "", "role=admin;mfa=true",
		"allowed_groups"},
	    /* What a service asks for comes on top. */
	    {"corp", "sudo", "alice", "", "", "[service sudo] allowed_groups"},
	    {"corp", "sudo", "alice", "admins", "", NULL},
	    {"corp", "sudo", "carol", "admins", "",
		"allowed_users, allowed_groups"},
	    {"corp", "sudo", "carol", "admins;staff", "", NULL},
	    {"corp", "su", "alice", "staff", "", "[service su] allowed_users"},
	    /* Who may choose "sudo -i" and "su -" gains nothing by it. */
	    {"corp", "sudo-i", "alice", "", "",
		"[service sudo] allowed_groups"},
	    {"corp", "su-l", "alice", "staff", "",
		"[service su] allowed_users"},
	    {"corp", "cron", "alice", "", "role=robot", NULL},
	    {"corp", "cron", "alice", "", "",
		"[service cron] required_claims role=robot"},
	    /* The partner's admins are not ours. */
	    {"partner", "sshd", "dora", "admins", "", NULL},
	    {"partner", "sudo", "dora", "admins", "", "[service sudo] profile"},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_policy policy =
		    policy_of(rows[i].profile, rows[i].service);
		struct da_buf groups = list_of(rows[i].groups);
		struct da_buf claims = list_of(rows[i].claims);
		enum da_err err = da_policy_check_access(
		    &policy, rows[i].person, &groups, &claims, &diag);

		if (err != (rows[i].rule == NULL ? DA_OK : DA_E_NOT_ALLOWED) ||
		    (err != DA_OK && strcmp(diag.text, rows[i].rule) != 0))
			fail_msg("row %zu: %s, \"%s\"", i, da_err_reason(err),
			    diag.text);
		da_buf_done(&groups);
		da_buf_done(&claims);
	}
}

/* N17: a code is shown only to names that could succeed. */
static void
test_could_succeed(void **state)
{
	static const struct {
		const char *profile, *service, *account;
		bool could;
	} rows[] = {
	    {"corp", "sshd", "carol", true},
	    {"names", "sshd", "alice", true},
	    {"names", "sshd", "carol", false},
	    {"nobody", "sshd", "alice", false},
	    {"names", "sudo", "alice", true},
	    {"corp", "su", "alice", false},
	    {"names", "sshd", "deploy", true},
	    {"nobody", "sshd", "deploy", false},
	    {"corp", "sshd", "ship", true},
	    {"partner", "sshd", "ship", false},
	    {"partner", "sshd", "root", true},
	    {"corp", "sshd", "empty", false},
	    {"names", "sshd", "root", true},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_policy policy =
		    policy_of(rows[i].profile, rows[i].service);

		if (da_policy_could_succeed(&policy, rows[i].account) !=
		    rows[i].could)
			fail_msg("row %zu", i);
	}
}

static void
check_list(const struct da_buf *got, const char *expected)
{
	struct da_buf list = list_of(expected);

	assert_int_equal(got->len, list.len);
	if (list.len > 0)
		assert_memory_equal(got->bytes, list.bytes, list.len);
	da_buf_done(&list);
}

static void
test_keep(void **state)
{
	static const struct {
		const char *issuer, *groups, *kept, *named;
	} rows[] = {
	    {ISSUER, "x;staff;staff;y;g-42;admins;staff", "staff;g-42;admins",
		"ops;sudo;"},
	    {ISSUER, "g-42", "g-42", "ops;"},
	    {ISSUER, "sudo;root;ops", "", ""}, /* N6: by id, never by name */
	    {PARTNER, "staff;g-42;admins", "staff", ""},
	};
	struct da_buf claims =
	    list_of("role=x;role=admin;mfa=true;mfa=false;role=admin");
	struct da_buf kept;
	char list[64];

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf groups = list_of(rows[i].groups);
		const char *names[DA_CONFIG_SECTIONS_MAX + 1];
		char named[64] = "";
		size_t count;

		da_buf_init(&kept, 4096);
		assert_int_equal(da_policy_keep_groups(
				     config, rows[i].issuer, &groups, &kept),
		    DA_OK);
		check_list(&kept, rows[i].kept);
		count = da_policy_list_groups(
		    config, rows[i].issuer, &groups, names);
		assert_null(names[count]);
		for (size_t n = 0; n < count; n++) {
			strcat(named, names[n]);
			strcat(named, ";");
		}
		assert_string_equal(named, rows[i].named);
		da_buf_done(&groups);
		da_buf_done(&kept);
	}
	da_buf_init(&kept, 4096);
	assert_int_equal(
	    da_policy_keep_claims(config, ISSUER, &claims, &kept), DA_OK);
	check_list(&kept, "role=admin;mfa=true");
	da_buf_done(&kept);
	da_buf_init(&kept, 4096);
	assert_int_equal(
	    da_policy_keep_claims(config, PARTNER, &claims, &kept), DA_OK);
	check_list(&kept, "");
	da_buf_done(&kept);
	da_buf_done(&claims);
	assert_int_equal(
	    da_policy_list_claims(config, ISSUER, list, sizeof(list)), DA_OK);
	assert_string_equal(list, "role mfa");
	assert_int_equal(
	    da_policy_list_claims(config, ISSUER, list, 8), DA_E_TOO_LARGE);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_map_name),
	    TEST(test_find_person),
	    TEST(test_still_maps),
	    TEST(test_access),
	    TEST(test_could_succeed),
	    TEST(test_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
