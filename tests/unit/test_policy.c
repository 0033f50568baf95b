/* broker/policy: claims -> decision, as tables. */
#include "unit.h"

#include <string.h>

#include "broker/policy.h"

static char *users[] = {(char[]){"alice"}, (char[]){"bob"}};
static char *groups[] = {(char[]){"staff"}, (char[]){"g-42"}};
static char *domains[] = {(char[]){"example.com"}, (char[]){"Corp.Example"}};

static const struct da_profile both = {
    .username_claim = (char[]){"preferred_username"},
    .allowed_users = {users, 2},
    .allowed_groups = {groups, 2},
    .strip_domains = {domains, 2},
};
static const struct da_profile only_users = {
    .username_claim = (char[]){"preferred_username"},
    .allowed_users = {users, 2},
};
static const struct da_profile nobody = {
    .username_claim = (char[]){"preferred_username"},
};

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

	char name[DA_USER_MAX + 1];
	struct da_diag diag;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		enum da_err err =
		    da_policy_map_name(&both, rows[i].claim, name, &diag);

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

static enum da_err
check(const struct da_profile *profile, const char *name, const char *group)
{
	struct da_buf list;
	struct da_diag diag;
	enum da_err err;

	da_buf_init(&list, 100);
	if (group != NULL)
		assert_int_equal(
		    da_buf_put(&list, group, strlen(group) + 1), DA_OK);
	err = da_policy_check_access(profile, name, &list, &diag);
	da_buf_done(&list);
	return err;
}

static void
test_access(void **state)
{
	(void)state;
	assert_int_equal(check(&both, "alice", NULL), DA_OK);
	assert_int_equal(check(&both, "carol", "staff"), DA_OK);
	assert_int_equal(check(&both, "carol", "g-42"), DA_OK);
	assert_int_equal(check(&both, "carol", "Staff"), DA_E_NOT_ALLOWED);
	assert_int_equal(check(&both, "carol", "staffs"), DA_E_NOT_ALLOWED);
	assert_int_equal(check(&both, "carol", NULL), DA_E_NOT_ALLOWED);
	assert_int_equal(
	    check(&only_users, "carol", "staff"), DA_E_NOT_ALLOWED);
	/* F3: empty lists allow nobody. */
	assert_int_equal(check(&nobody, "alice", "staff"), DA_E_NOT_ALLOWED);
	assert_true(da_policy_could_succeed(&both, "carol"));
	assert_true(da_policy_could_succeed(&only_users, "alice"));
	assert_false(da_policy_could_succeed(&only_users, "carol"));
	assert_false(da_policy_could_succeed(&nobody, "alice"));
}

static void
test_keep_groups(void **state)
{
	struct da_buf all, kept;

	(void)state;
	da_buf_init(&all, 100);
	da_buf_init(&kept, 100);
	assert_int_equal(da_buf_put(&all, "x\0staff\0y\0g-42", 15), DA_OK);
	assert_int_equal(da_policy_keep_groups(&both, &all, &kept), DA_OK);
	assert_int_equal(kept.len, 11);
	assert_memory_equal(kept.bytes, "staff\0g-42", 11);
	da_buf_done(&all);
	da_buf_done(&kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_map_name),
	    cmocka_unit_test(test_access),
	    cmocka_unit_test(test_keep_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
